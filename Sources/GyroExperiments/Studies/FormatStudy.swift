public import Foundation
import GyroQuantization
import GyroTensors

/// How much of a signal each number format keeps: exact figures for distributions (2208.09225 §3,
/// 2303.17951 §3), simulated ones for block formats (OCP Microscaling 1.0), and measured ones for
/// the weights of a checkpoint.
public struct FormatStudy: Sendable, Encodable {
  /// A distribution or a tensor, and every format on it.
  public struct Row: Sendable, Encodable {
    public let name: String
    /// `E x⁴ / (E x²)²`, for tensors.
    public let kurtosis: Double?
    public let cells: [Cell]

    /// The format that keeps most.
    public var best: String { cells.max { $0.decibels < $1.decibels }?.format ?? "" }
  }

  /// One format on one signal.
  public struct Cell: Sendable, Encodable {
    public let format: String
    /// Signal power over error power.
    public let decibels: Double
    /// What the largest level stands for; nil where blocks have scales of their own.
    public let clip: Double?
    /// Mean squared error, in the signal's units squared.
    public let meanSquaredError: Double
    /// Signal over error of the products in a dot product of two such signals, for distributions.
    public let dotProductDecibels: Double?
  }

  /// Where two formats are equally good on Student's t.
  public struct Crossing: Sendable, Encodable {
    /// Better below, where tails are heavier.
    public let heavyTailed: String
    /// Better above.
    public let lightTailed: String
    public let degreesOfFreedom: Double
  }

  /// Rounding normal values to a float, and from there to INT8.
  public struct Conversion: Sendable, Encodable {
    public let from: String
    public let to: String
    /// From float masters.
    public let fromDecibels: Double
    public let toDecibels: Double
    /// One after the other.
    public let chainDecibels: Double
  }

  public let eightBit: [Row]
  public let fewerBits: [Row]
  public let blocks: [Row]
  public let crossings: [Crossing]
  public let conversions: [Conversion]
  /// The weights of a checkpoint, when one was given.
  public let tensors: [Row]?

  static let densities: [StandardDensity] = [
    .uniform, .gaussian, .laplace, .studentT(8), .studentT(5),
  ]
  static let fewerBitNames = ["int4", "e2m1", "e3m0", "int6", "e2m3", "e3m2"]
  /// Element format, granularity and scale of each block format, by name.
  static let blockFormats: [(String, String, Granularity, ScaleFormat)] = [
    ("mxint8", "int8", .group(32), .e8m0), ("mxfp8-e4m3", "e4m3", .group(32), .e8m0),
    ("mxfp8-e5m2", "e5m2", .group(32), .e8m0), ("mxfp6-e2m3", "e2m3", .group(32), .e8m0),
    ("mxfp6-e3m2", "e3m2", .group(32), .e8m0), ("mxfp4", "e2m1", .group(32), .e8m0),
    ("int4/32", "int4", .group(32), .float32), ("nvfp4", "e2m1", .group(16), .e4m3),
    ("int8/32", "int8", .group(32), .float32),
  ]

  /// - Parameters:
  ///   - checkpoint: a float model whose weights are ranked as well.
  ///   - blocks: how many blocks of 32 values are drawn for each figure of a block format.
  /// - Throws: what reading the checkpoint throws.
  public init(
    checkpoint: URL? = nil, blocks: Int = 60_000, seed: UInt64 = 0,
    progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let model = try checkpoint.map { try StudyCheckpoint($0) }
    let paths = model?.weights ?? []
    let total = Self.densities.count + 3 + paths.count
    var done = 0
    func advance(_ label: String) throws {
      try progress(.working(label: label, done: done, total: total))
      done += 1
    }

    let eightBitFormats = FormatRanking.eightBitFormats
    var (eightBit, fewerBits, blockRows) = ([Row](), [Row](), [Row]())
    for density in Self.densities {
      try advance("formats on \(density.name) values")
      eightBit.append(Self.row(density, eightBitFormats))
      fewerBits.append(Self.row(density, Self.fewerBitNames.map { FormatNames.format($0)! }))
    }
    for density in [StandardDensity.gaussian, .laplace, .studentT(5)] {
      try advance("block formats on \(density.name) values")
      blockRows.append(Self.blockRow(density, blocks, seed))
    }
    var tensors: [Row] = []
    for path in paths {
      try advance("formats on \(path)")
      tensors.append(Self.row(path.name, model!.parameters[path], eightBitFormats))
    }
    self.eightBit = eightBit
    self.fewerBits = fewerBits
    self.blocks = blockRows
    crossings = Self.crossings()
    conversions = Self.conversions()
    self.tensors = model == nil ? nil : tensors
  }

  /// The name without the note that all codes are finite.
  private static func short(_ name: String) -> String {
    name.hasSuffix("-finite") ? String(name.dropLast("-finite".count)) : name
  }

  private static func row(_ density: StandardDensity, _ formats: [any NumberFormat]) -> Row {
    let cells = formats.map { format in
      let best = ScalarGrid(format).optimum(on: density)
      return Cell(
        format: short(format.name), decibels: best.error.decibels, clip: best.clip,
        meanSquaredError: best.error.noise,
        dotProductDecibels: best.error.dotProduct(with: best.error).decibels)
    }
    return Row(name: density.name, kurtosis: nil, cells: cells)
  }

  private static func row(
    _ name: String, _ tensor: Tensor, _ formats: [any NumberFormat]
  ) -> Row {
    let ranking = FormatRanking(of: tensor, among: formats)
    let cells = formats.map { format in
      let entry = ranking.entries.first { $0.format == format.name }!
      return Cell(
        format: short(format.name), decibels: entry.error.decibels, clip: entry.clip,
        meanSquaredError: entry.error.noise, dotProductDecibels: nil)
    }
    return Row(name: name, kurtosis: ranking.kurtosis, cells: cells)
  }

  private static func blockRow(_ density: StandardDensity, _ blocks: Int, _ seed: UInt64) -> Row {
    var random = RandomStream(seed: seed).derived(density.name)
    let values = density.sample([blocks, 32], &random)
    let cells = blockFormats.map { name, element, granularity, scale in
      // The names are known, groups divide 32, and samples are finite.
      let quantizer = try! Quantizer(
        FormatNames.format(element)!, granularity, scaleFormat: scale)
      let error = RoundingError(of: try! quantizer.projected(values), from: values)
      return Cell(
        format: name, decibels: error.decibels, clip: nil, meanSquaredError: error.noise,
        dotProductDecibels: nil)
    }
    return Row(name: density.name, kurtosis: nil, cells: cells)
  }

  private static func grid(_ name: String) -> ScalarGrid {
    let formats = FormatRanking.eightBitFormats
    return ScalarGrid(formats.first { short($0.name) == name }!)
  }

  private static func crossings() -> [Crossing] {
    [("e4m3", "int8"), ("e3m4", "e2m5"), ("e3m4", "int8")].compactMap { heavy, light in
      FormatCrossing.degreesOfFreedom(heavyTailed: grid(heavy), lightTailed: grid(light)).map {
        Crossing(heavyTailed: heavy, lightTailed: light, degreesOfFreedom: $0)
      }
    }
  }

  private static func conversions() -> [Conversion] {
    ["e2m5", "e3m4", "e4m3"].map { name in
      let study = FormatConversion(from: grid(name), to: grid("int8"))
        .study(on: StandardDensity.gaussian)
      return Conversion(
        from: name, to: "int8", fromDecibels: study.first.decibels,
        toDecibels: study.second.decibels, chainDecibels: study.chain.decibels)
    }
  }

  /// Every 8-bit format on every distribution, and on every tensor of the checkpoint.
  public var picture: String {
    let names = eightBit.first?.cells.map(\.format) ?? []
    return DotPlot(
      title: "How much of a signal 8 bits keep", axis: "signal over error, dB (more is better)",
      series: names.map { DotPlot.Series(name: $0) },
      rows: (eightBit + (tensors ?? [])).map { row in
        DotPlot.Row(
          label: row.name,
          points: row.cells.enumerated().map { ($0.offset, $0.element.decibels) })
      }
    ).svg
  }
}
