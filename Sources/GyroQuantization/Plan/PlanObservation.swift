import GyroAutodiff
public import GyroModels
import GyroTensors

extension QuantizationPlan {
  /// Where the moving range of a site lives: `[low, high]`.
  func rangePath(_ place: Place) -> ParameterPath { place.path(of: "range") }

  /// Whether a site's range keeps moving while the model trains.
  func moves(_ place: Place) -> Bool {
    if case .movingAverage = place.rule.range, !place.rule.isDynamic { return true }
    return false
  }

  /// Records the range of an activation for `absorb`.
  func observe(_ value: Tensor, _ place: Place, _ pass: ForwardPass) {
    guard moves(place), !phase(pass).freezesScales else { return }
    guard value.count > 0 else { return }
    let (low, high) = (value.minimum(), value.maximum())
    guard low.isFinite, high.isFinite else { return }
    pass.record(Tensor([2], elements: [low, high]), at: rangePath(place))
  }

  /// Moves observed ranges towards those of a batch, `range ← m · range + (1 − m) · batch`, and sets
  /// the scales that follow from them (2004.09602 §4; 2106.08295 §3.1).
  public func absorb(_ statistics: Statistics, into parameters: inout ParameterStore) {
    for site in staticSites {
      let place = places[site]!
      guard case .movingAverage(let momentum) = place.rule.range,
        let seen = statistics[rangePath(place)]?.elements,
        parameters.contains(rangePath(place))
      else { continue }
      let old = parameters[rangePath(place)].elements
      let share = Float(momentum)
      let new = zip(old, seen).map { share * $0 + (1 - share) * $1 }
      parameters[rangePath(place)] = Tensor([2], elements: new)
      let scales = place.quantizer.scales(ranges: [new[0]...max(new[0], new[1])])
      for state in StaticScales.states(scales, place.quantizer) {
        let path = place.path(of: state.name)
        // A learned scale goes its own way.
        if parameters.parameter(at: path)?.kind == .buffer { parameters[path] = state.value }
      }
    }
  }

  /// Declares the moving ranges beside the scales they began with.
  func declareMovingRange(
    _ range: ClosedRange<Float>, _ place: Place, _ parameters: inout ParameterStore
  ) {
    guard moves(place), !parameters.contains(rangePath(place)) else { return }
    parameters.declare(
      rangePath(place), Tensor([2], elements: [range.lowerBound, range.upperBound]), kind: .buffer)
  }

  /// Removes everything `prepare` put into the store.
  public func forget(_ parameters: inout ParameterStore) {
    for path in order {
      let place = places[path]!
      for name in place.stateNames + ["range"] {
        parameters.remove(place.path(of: name))
      }
    }
  }
}
