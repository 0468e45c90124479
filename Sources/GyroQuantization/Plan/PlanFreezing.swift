public import GyroModels
import GyroTensors

extension QuantizationPlan {
  /// The parameters as they ship: every quantized weight on its grid, with its codes; what was
  /// learned of a weight's quantizer is in its scales and leaves the store.
  /// - Throws: `QuantizationError.notFinite` when a weight holds a NaN or an infinity.
  public func frozen(_ parameters: ParameterStore) throws(QuantizationError) -> ParameterStore {
    var result = parameters
    let weights = weightPaths
    for path in order where weights.contains(path) {
      let value = parameters[path]
      let place = places[path]!
      if value.encoded == nil {
        do throws(NotFiniteRow) {
          result[path] = try frozen(value, place, parameters)
        } catch {
          throw error.error(at: path, place.quantizer.scaleFormat)
        }
      }
      for name in place.estimator.stateNames(place.quantizer) where !place.rule.isDynamic {
        result.remove(place.path(of: name))
      }
    }
    return result
  }

  /// The quantizer of a weight or site; nil for what stays float.
  public func quantizer(at path: ParameterPath) -> Quantizer? { places[path]?.quantizer }

  /// Where the states of activations' quantizers live: they ship with the weights.
  public var siteStatePaths: [ParameterPath] {
    staticSites.flatMap { path in
      let place = places[path]!
      return place.estimator.stateNames(place.quantizer).map(place.path(of:))
    }
  }

  private func frozen(
    _ value: Tensor, _ place: Place, _ parameters: ParameterStore
  ) throws(NotFiniteRow) -> Tensor {
    place.quantizer.tensor(
      of: try place.estimator.quantized(value, place.quantizer, states(of: place, in: parameters)))
  }

  /// The states of a place by name; empty for one whose range follows the data.
  func states(of place: Place, in parameters: ParameterStore) -> [String: Tensor] {
    guard !place.rule.isDynamic else { return [:] }
    var states: [String: Tensor] = [:]
    for name in place.estimator.stateNames(place.quantizer) {
      let path = place.path(of: name)
      if parameters.contains(path) { states[name] = parameters[path] }
    }
    return states
  }

  /// Brings learned states back into their domain after an optimizer's step: a scale stays positive.
  public func constrain(_ parameters: inout ParameterStore) {
    for path in order where !places[path]!.rule.isDynamic {
      let place = places[path]!
      var states = states(of: place, in: parameters)
      place.estimator.constrain(&states)
      for (name, value) in states { parameters[place.path(of: name)] = value }
    }
  }
}
