public import Foundation
import GyroModels
import GyroRotation
import GyroTensors

/// What the outlier twin of a checkpoint looks like: a model that computes the same and has the
/// outlier channels of large models, so that rotations have something to win (2402.17762 §2 finds
/// such channels in every large model).
public struct OutlierStudy: Sendable, Encodable {
  /// One site.
  public struct Row: Sendable, Encodable {
    public let site: String
    /// The root mean square of the largest channel over that of the median channel.
    public let peakBefore: Double
    public let peakAfter: Double
    /// Of all elements; 3 for normal values.
    public let kurtosisBefore: Double
    public let kurtosisAfter: Double
  }

  /// How the twin is made.
  public struct Options: Sendable {
    /// How far outlier channels stand out over the median one.
    public var strength = 20.0
    /// Tokens that the model samples, to look at.
    public var size = 4096
    public var seed: UInt64 = 0

    public init() {}
  }

  public let checkpoint: String
  /// What the figures after are of; never the checkpoint itself.
  public let subject: String
  public let strength: Double
  public let tokens: Int
  public let rows: [Row]
  /// The largest difference of two logits of the model and its twin.
  public let largestLogitDifference: Double

  /// - Throws: what reading the checkpoint throws, `ExperimentError.unfit` for one that is no
  ///   language model, `RotationError`.
  public init(
    checkpoint: URL, _ options: Options = Options(),
    progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let model = try StudyCheckpoint(checkpoint)
    guard case .language(let language) = model.model else {
      throw ExperimentError.unfit(
        what: model.name, reason: "outlier twins are made of models of the Llama family")
    }
    let length = min(language.configuration.context, 256, options.size)
    let texts = try SampledWindows.sample(
      language.model, language.parameters, tokens: options.size, length: length,
      seed: options.seed
    ) { try progress(.working(label: "sampling text", done: $0, total: $1)) }
    try progress(.working(label: "outlier twin", done: 0, total: 1))
    let twin = try OutlierTwin(strength: options.strength, seed: options.seed)
      .applied(to: language.configuration, language.parameters, calibratingOn: texts)
    self.checkpoint = model.name
    subject = "outlier twin of \(model.name)"
    strength = options.strength
    tokens = twin.report.tokens
    largestLogitDifference = twin.report.logits
    rows = twin.report.entries.map { entry in
      Row(
        site: entry.site.name, peakBefore: entry.before.peak, peakAfter: entry.after.peak,
        kurtosisBefore: entry.before.kurtosis, kurtosisAfter: entry.after.kurtosis)
    }
  }

  /// How far the largest channel of each site stands out, before and after.
  public var picture: String {
    LayerBars(
      title: "\(subject): how far the largest channel stands out",
      axis: "rms of the largest channel over the median one",
      layers: rows.map { ParameterPath($0.site).shortSite },
      series: [
        .init(name: "model", role: .unrotated, values: rows.map(\.peakBefore)),
        .init(name: "outlier twin", role: .trained, values: rows.map(\.peakAfter)),
      ], isLogarithmic: true
    ).svg
  }
}
