/// Gradient estimators by the names that recipes use.
public enum GradientEstimators {
  /// All names, in the order of messages.
  public static let names = makers.map(\.name)

  /// The estimator of a name, with options: `named("ewgs", options: ["delta": "0.01"])`. Options can
  /// also follow the name, `lsq(gradient-scale=ports, delta=0.001)`.
  /// - Parameters:
  ///   - role: where it will be attached; learned steps scale their gradients by it.
  ///   - rule: what the rule is called in messages.
  /// - Throws: `QuantizationError` for a name, an option or a value that there is not.
  public static func named(
    _ text: String, options: [String: String] = [:], role: EstimatorRole = .weight,
    for rule: String = "estimator"
  ) throws(QuantizationError) -> any GradientEstimator {
    let (name, inline) = try split(text)
    guard let maker = makers.first(where: { $0.name == name }) else {
      throw .unknownEstimator(name, for: rule, known: names)
    }
    let all = inline.merging(options) { _, given in given }
    let unknown = all.keys.filter { !maker.options.contains($0) }.sorted()
    if let first = unknown.first {
      throw .estimator(
        name, problem: "has no option '\(first)'",
        advice: maker.options.isEmpty
          ? "it has none" : "its options are " + maker.options.joined(separator: ", "))
    }
    return try maker.make(Options(estimator: name, values: all, role: role))
  }

  private struct Maker: Sendable {
    let name: String
    var options: [String] = []
    let make: @Sendable (Options) throws(QuantizationError) -> any GradientEstimator
  }

  private static let makers: [Maker] = [
    Maker(name: "straight-through") { _ in StraightThrough() },
    Maker(name: "clipped") { _ in ClippedStraightThrough() },
    Maker(name: "ewgs", options: ["delta"]) { options throws(QuantizationError) in
      ClippedStraightThrough(scaling: try options.number("delta", in: 0...1e3) ?? 1e-3)
    },
    Maker(name: "sigmoid", options: ["steepness"]) { options throws(QuantizationError) in
      SoftStaircase(steepness: try options.number("steepness", in: 1e-3...1e3) ?? 4)
    },
    Maker(name: "clip", options: ["initial"]) { options throws(QuantizationError) in
      LearnedClipping(
        initial: try options.number("initial", in: LearnedClipping.range) ?? 1)
    },
    Maker(name: "stochastic") { _ in StochasticRounding() },
    Maker(name: "lsq", options: ["gradient-scale", "delta"]) { options throws(QuantizationError) in
      LearnedStepSize(
        role: options.role, gradientScale: try options.gradientScale(),
        scaling: try options.number("delta", in: 0...1e3) ?? 0)
    },
    Maker(name: "lsq+", options: ["gradient-scale"]) { options throws(QuantizationError) in
      LearnedStepAndOffset(role: options.role, gradientScale: try options.gradientScale())
    },
    Maker(name: "pact", options: ["decay", "initial"]) { options throws(QuantizationError) in
      ParameterizedClipping(
        decay: try options.number("decay", in: 0...1e3) ?? 1e-4,
        initial: try options.number("initial", in: 1e-6...1e6))
    },
    Maker(name: "tqt") { _ in TrainedThreshold() },
    Maker(name: "learned-range") { _ in LearnedMinimumAndMaximum() },
    Maker(name: "flexible-float", options: ["learns-mantissa"]) {
      options throws(QuantizationError) in
      FlexibleFloat(learnsMantissa: try options.flag("learns-mantissa") ?? true)
    },
    Maker(name: "dorefa") { _ in DoReFa() },
    Maker(name: "xnor") { _ in BinaryWeights() },
    Maker(name: "bwn") { _ in BinaryWeights(followsScale: false) },
    Maker(name: "twn") { _ in TernaryWeights() },
    Maker(name: "ttq", options: ["threshold"]) { options throws(QuantizationError) in
      TrainedTernary(threshold: try options.number("threshold", in: 0...0.99) ?? 0.05)
    },
  ]

  /// `name(key=value, key=value)` in its parts.
  private static func split(
    _ text: String
  ) throws(QuantizationError) -> (name: String, options: [String: String]) {
    guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else { return (text, [:]) }
    let name = String(text[..<open])
    var options: [String: String] = [:]
    for part in text[text.index(after: open)...].dropLast().split(separator: ",") {
      let pair = part.split(separator: "=", maxSplits: 1).map {
        $0.trimmingPrefix { $0 == " " }.reversed().trimmingPrefix { $0 == " " }.reversed()
      }
      guard pair.count == 2 else {
        throw .estimator(
          name, problem: "cannot read the option '\(part)'",
          advice: "write \(name)(option=value, option=value)")
      }
      options[String(pair[0])] = String(pair[1])
    }
    return (name, options)
  }
}

/// The options of one estimator, as text, and where it goes.
private struct Options {
  let estimator: String
  let values: [String: String]
  let role: EstimatorRole

  func number(
    _ name: String, in range: ClosedRange<Float>
  ) throws(QuantizationError) -> Float? {
    guard let text = values[name] else { return nil }
    guard let value = Float(text), range.contains(value) else {
      throw .estimator(
        estimator, problem: "got \(name) '\(text)'",
        advice: "use a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  func flag(_ name: String) throws(QuantizationError) -> Bool? {
    guard let text = values[name] else { return nil }
    guard let value = Bool(text) else {
      throw .estimator(estimator, problem: "got \(name) '\(text)'", advice: "use true or false")
    }
    return value
  }

  func gradientScale() throws(QuantizationError) -> StepGradientScale {
    guard let text = values["gradient-scale"] else { return .paper }
    guard let value = StepGradientScale(rawValue: text) else {
      throw .estimator(
        estimator, problem: "got gradient-scale '\(text)'",
        advice: "use " + StepGradientScale.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return value
  }
}
