package import GyroModels
import GyroTensors

extension QuantizationPlan {
  /// The scales in use at a site or weight whose range was found once or is learned; nil where it
  /// follows the data, nothing is quantized, or calibration has not been there.
  package func staticScales(
    at path: ParameterPath, in parameters: ParameterStore
  ) -> GroupScales? {
    guard let place = places[path], !place.rule.isDynamic else { return nil }
    return place.estimator.scales(
      sharing(place, parameters).quantizer, states(of: place, in: parameters))
  }
}
