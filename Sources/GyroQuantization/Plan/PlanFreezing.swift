public import GyroModels
package import GyroTensors

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
          result[path] = try frozen(value, sharing(place, parameters), parameters)
        } catch {
          throw error.error(at: path, place.quantizer.scaleFormat)
        }
      }
      for name in place.stateNames { result.remove(place.path(of: name)) }
    }
    return result
  }

  /// The quantizer of a weight or site; nil for what stays float.
  public func quantizer(at path: ParameterPath) -> Quantizer? { places[path]?.quantizer }

  /// Whether the value at a weight or site changes as if straight through, with nothing learned and
  /// nothing clipped: its gradient is the identity.
  public func isStraightThrough(at path: ParameterPath) -> Bool {
    guard let place = places[path] else { return true }
    return place.rule.isDynamic && place.estimator is StraightThrough
  }

  /// Where the states of activations' quantizers, and the ranges they follow, live: they ship with
  /// the weights.
  public var siteStatePaths: [ParameterPath] {
    order.filter { !weightPaths.contains($0) }.flatMap { path in
      let place = places[path]!
      return place.stateNames.map(place.path(of:))
        + (moves(place) ? [rangePath(place)] : [])
    }
  }

  private func frozen(
    _ value: Tensor, _ place: Place, _ parameters: ParameterStore
  ) throws(NotFiniteRow) -> Tensor {
    place.quantizer.tensor(
      of: try place.estimator.quantized(
        value.decodingApart(), place.quantizer, states(of: place, in: parameters)))
  }

  /// The states of a place by name; empty for one whose range follows the data.
  package func states(of place: Place, in parameters: ParameterStore) -> [String: Tensor] {
    var states: [String: Tensor] = [:]
    for name in place.stateNames {
      let path = place.path(of: name)
      if parameters.contains(path) { states[name] = parameters[path] }
    }
    return states
  }

  /// Brings learned states back into their domain after an optimizer's step: a scale stays positive.
  public func constrain(_ parameters: inout ParameterStore) {
    for path in order where !places[path]!.stateNames.isEmpty {
      let place = places[path]!
      var states = states(of: place, in: parameters)
      place.estimator.constrain(&states)
      for (name, value) in states { parameters[place.path(of: name)] = value }
    }
  }
}
