import GyroModels
import GyroQuantization

/// Which weights are rounded, and which activation site each of them reads.
struct WeightInputs {
  /// A site and the weights that read it.
  struct Group {
    let site: Site
    var weights: [Parameter]
  }

  /// In the order in which the model declares the sites.
  let groups: [Group]

  var count: Int { groups.reduce(0) { $0 + $1.weights.count } }

  /// Weights of linear layers and convolutions that the plan quantizes and nobody has encoded yet.
  /// A weight reads the input of the innermost scope around it.
  init(_ plan: QuantizationPlan, _ parameters: ParameterStore) throws(PostTrainingError) {
    let sites = parameters.sites.filter { $0.kind == .input }
    var groups = sites.map { Group(site: $0, weights: []) }
    var isQuantized = false
    for path in parameters.paths {
      guard let weight = parameters.parameter(at: path), plan.quantizer(at: path) != nil,
        weight.kind == .linear || weight.kind == .convolution
      else { continue }
      isQuantized = true
      if parameters[path].encoded != nil { continue }
      let reading = sites.indices.filter { path.name.hasPrefix(Self.scope(of: sites[$0])) }
      let innermost = reading.max {
        Self.scope(of: sites[$0]).count < Self.scope(of: sites[$1]).count
      }
      guard let innermost else {
        throw .unsupported(
          path, problem: "no activation site of the model is its input",
          advice: "declare one in a scope around it, or keep the weight float")
      }
      groups[innermost].weights.append(weight)
    }
    guard isQuantized else { throw .nothingToQuantize }
    self.groups = groups.filter { !$0.weights.isEmpty }
  }

  private init(_ groups: [Group]) { self.groups = groups }

  /// The groups inside a scope.
  func inside(_ scope: ParameterPath) -> WeightInputs {
    WeightInputs(groups.filter { $0.site.path.isInside(scope) })
  }

  private static func scope(of site: Site) -> String {
    let scope = site.path.name.split(separator: ".").dropLast().joined(separator: ".")
    return scope.isEmpty ? "" : scope + "."
  }
}
