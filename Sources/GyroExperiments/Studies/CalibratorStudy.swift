public import Foundation
import GyroModels
public import GyroQuantization
import GyroTensors

/// How well each way to find a range does, tensor by tensor (2004.09602 §5, 2106.08295 §3.1): at 8
/// bits most agree, at 4 bits the range of the data wastes codes on a few outliers, and no way wins
/// everywhere.
public struct CalibratorStudy: Sendable, Encodable {
  public struct Options: Sendable {
    /// How weights are cut; activations share one scale.
    public var granularity = Granularity.tensor
    /// Images or tokens that pass the model for its activations; none are looked at when 0.
    public var size = 64
    public var seed: UInt64 = 0

    public init() {}
  }

  /// One weight or what flows into one layer.
  public struct Row: Sendable, Encodable {
    public let name: String
    /// `weight` (symmetric) or `activation` (asymmetric).
    public let kind: String
    /// `E x⁴ / (E x²)²`: 3 for normal values, more with outliers.
    public let kurtosis: Double
    public let figures: [Figure]

    /// Signal over error of a format under a method; nil when the method was not tried.
    public func decibels(_ format: String, _ method: String) -> Double? {
      figures.first { $0.format == format && $0.method == method }?.decibels
    }
  }

  public struct Figure: Sendable, Encodable {
    public let format: String
    public let method: String
    /// Signal power over error power.
    public let decibels: Double
  }

  /// One method over all tensors of a kind.
  public struct Summary: Sendable, Encodable {
    public let kind: String
    public let format: String
    public let method: String
    public let meanDecibels: Double
    /// Tensors on which no other method does better.
    public let best: Int
    public let tensors: Int
  }

  public let checkpoint: String
  public let granularity: Granularity
  public let formats: [String]
  public let methods: [String]
  public let rows: [Row]
  public let summaries: [Summary]

  static let studiedFormats = [IntegerFormat.int8, .int4]
  static let studiedMethods: [RangeMethod] = [
    .minMax, .percentile(99.9), .percentile(99.99), .percentile(99.999), .entropy,
    .meanSquare(.grid), .clipSearch, .analytic(),
  ]

  /// - Throws: what reading the checkpoint throws; `QuantizationError` for groups that do not
  ///   divide; `RangeError` for values that are not finite.
  public init(
    checkpoint: URL, _ options: Options = Options(),
    progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let model = try StudyCheckpoint(checkpoint)
    let parameters = model.parameters
    let activations =
      options.size == 0 ? [] : try model.activations(size: options.size, seed: options.seed)
    let total = model.weights.count + activations.count
    var rows: [Row] = []
    for path in model.weights {
      try progress(.working(label: "ranges of \(path)", done: rows.count, total: total))
      rows.append(
        try Self.row(
          path, "weight", parameters[path], options.granularity, isSymmetric: true))
    }
    for (site, values) in activations {
      try progress(.working(label: "ranges of \(site)", done: rows.count, total: total))
      rows.append(try Self.row(site, "activation", values, .tensor, isSymmetric: false))
    }
    self.checkpoint = model.name
    granularity = options.granularity
    formats = Self.studiedFormats.map(\.name)
    methods = Self.studiedMethods.map(\.description)
    self.rows = rows
    summaries = Self.summaries(rows, formats, methods)
  }

  private static func row(
    _ path: ParameterPath, _ kind: String, _ values: Tensor, _ granularity: Granularity,
    isSymmetric: Bool
  ) throws -> Row {
    guard values.elements.allSatisfy(\.isFinite) else {
      throw RangeError.notFinite(site: path.name)
    }
    var figures: [Figure] = []
    for format in studiedFormats {
      let quantizer = try Quantizer(format, granularity, isSymmetric: isSymmetric)
      _ = try quantizer.layout(of: values.shape, named: path)
      for method in studiedMethods {
        let ranges = try WeightRanges.ranges(
          of: values, quantizer: quantizer, method: method, site: path.name)
        let rounded = try quantizer.projected(values, with: quantizer.scales(ranges: ranges))
        figures.append(
          Figure(
            format: format.name, method: method.description,
            decibels: RoundingError(of: rounded, from: values).decibels))
      }
    }
    return Row(
      name: path.name, kind: kind, kurtosis: EmpiricalDensity(values).kurtosis, figures: figures)
  }

  private static func summaries(
    _ rows: [Row], _ formats: [String], _ methods: [String]
  ) -> [Summary] {
    ["weight", "activation"].flatMap { kind -> [Summary] in
      let rows = rows.filter { $0.kind == kind }
      guard !rows.isEmpty else { return [] }
      return formats.flatMap { format in
        methods.map { method in
          let values = rows.map { $0.decibels(format, method)! }
          let best = rows.count { row in
            methods.allSatisfy { row.decibels(format, $0)! <= row.decibels(format, method)! }
          }
          return Summary(
            kind: kind, format: format, method: method,
            meanDecibels: values.reduce(0, +) / Double(values.count), best: best,
            tensors: rows.count)
        }
      }
    }
  }

  /// Every method on every tensor in the narrowest format, where they differ most.
  public var picture: String {
    let format = formats.last ?? ""
    return DotPlot(
      title: "Ranges for \(format): \(checkpoint)", axis: "signal over error, dB (more is better)",
      series: methods.map { DotPlot.Series(name: $0) },
      rows: rows.map { row in
        DotPlot.Row(
          label: row.name,
          points: methods.enumerated().map { ($0.offset, row.decibels(format, $0.element)!) })
      }
    ).svg
  }
}
