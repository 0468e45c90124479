import GyroModels
import GyroQuantization
import GyroTensors

/// What a plan does to an activation, as operators can say it.
struct ONNXQuantizer {
  /// Where scales come from.
  enum Range {
    /// They were found in training and are part of the file.
    case fixed(GroupScales)
    /// They follow the data, times a learned factor; 1 for none.
    case following(factor: Float)
  }

  let format: any NumberFormat
  let granularity: Granularity
  let scaleFormat: ScaleFormat
  let isSymmetric: Bool
  /// What a range is divided by to get its scale.
  let span: Float
  let range: Range

  /// - Throws: ``ExportError/impossible(format:path:what:because:instead:)`` for a quantizer that
  ///   operators cannot say, or one whose range was never found.
  init(
    _ place: QuantizationPlan.Place, _ plan: QuantizationPlan, _ parameters: ParameterStore
  ) throws(ExportError) {
    if let reason = Self.obstacle(place.rule, estimator: place.estimator.name) {
      throw .impossible(
        format: ONNXExporter.format, path: place.path.name, what: place.rule.summary,
        because: reason, instead: Self.advice)
    }
    let states = plan.states(of: place, in: parameters)
    guard place.stateNames.allSatisfy({ states[$0] != nil }) else {
      throw .impossible(
        format: ONNXExporter.format, path: place.path.name, what: place.rule.summary,
        because: "its range was never found", instead: "Calibrate the model before exporting it.")
    }
    granularity = place.quantizer.granularity
    scaleFormat = place.quantizer.scaleFormat
    isSymmetric = place.quantizer.isSymmetric
    span = place.quantizer.span
    if place.estimator.name == "clip" {
      range = .following(factor: states["clip"]?.elements.first ?? 1)
      format = place.quantizer.format
    } else if place.stateNames.isEmpty, place.estimator.name != "dorefa" {
      range = .following(factor: 1)
      format = place.quantizer.format
    } else if let sample = try? place.estimator.quantized(.zeros([1, 1]), place.quantizer, states) {
      range = .fixed(sample.scales)
      format = sample.format
    } else {
      throw .impossible(
        format: ONNXExporter.format, path: place.path.name, what: place.rule.summary,
        because: "its range is not finite", instead: "Calibrate the model again.")
    }
  }

  /// Why operators cannot say a rule for activations; nil when they can.
  static func obstacle(_ rule: QuantizationRule) -> String? {
    obstacle(rule, estimator: String(rule.estimator.prefix { $0 != "(" }))
  }

  private static let advice =
    "Train activations with another estimator, e.g. straight-through, clip or lsq."

  private static func obstacle(_ rule: QuantizationRule, estimator: String) -> String? {
    switch estimator {
    case "xnor", "bwn", "twn", "ttq":
      "'\(estimator)' derives a scale from the mean of the data, which is meant for weights"
    case "dorefa" where FormatNames.format(rule.element)?.isSigned ?? true:
      "'dorefa' squashes signed numbers by their largest, which is meant for weights"
    default: nil
    }
  }
}

extension ONNXQuantizer {
  /// How many neighbors of the last axis share a scale; nil for a row or all.
  var groupSize: Int? {
    switch granularity {
    case .group(let size), .head(let size): size
    default: nil
    }
  }
}
