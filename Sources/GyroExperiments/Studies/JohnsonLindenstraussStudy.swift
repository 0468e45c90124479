import Foundation
import GyroManifolds
import GyroTensors

/// How well random matrices keep scalar products (Johnson–Lindenstrauss): every measured figure
/// beside its closed form. A is M × N, scaled so that E AᵀA = I; vectors go from N to M numbers.
public struct JohnsonLindenstraussStudy: Sendable, Encodable {
  public struct Options: Sendable {
    /// Numbers in a vector: N.
    public var columns = [64, 256]
    /// Numbers in its projection: M.
    public var rows = [16, 32, 64, 128, 256, 512, 1024]
    /// Matrices drawn for each figure.
    public var draws = 100
    /// Pairs of unit vectors that each matrix projects.
    public var pairs = 16
    /// The cosine of each pair.
    public var cosine = 0.5
    public var seed: UInt64 = 0

    public init() {}
  }

  /// A mean over draws.
  public struct Figure: Sendable, Encodable {
    public let measured: Double
    /// Standard error of the mean.
    public let standardError: Double
    /// The closed form; nil where none holds.
    public let expected: Double?
  }

  /// One kind of matrix of one size.
  public struct Row: Sendable, Encodable {
    /// `bernoulli`, `gaussian`, `orthogonalized` or `hadamard`.
    public let matrix: String
    public let rows: Int
    public let columns: Int
    /// The mean of (AᵀA − I)².
    public let orthogonalityError: Figure
    /// ⟨Ax, Ay⟩ − ⟨x, y⟩.
    public let bias: Figure
    /// The square of that.
    public let dotProductVariance: Figure
  }

  /// How the error of a scalar product falls with M.
  public struct Slope: Sendable, Encodable {
    public let matrix: String
    public let columns: Int
    /// Least squares through log(root mean square error) over log M.
    public let measured: Double
    /// −½ for independent entries. Orthogonal rows repeat themselves after N of them, so their error
    /// falls faster.
    public let expected: Double?
  }

  public let cosine: Double
  public let draws: Int
  public let rows: [Row]
  public let slopes: [Slope]

  public init(
    _ options: Options = Options(), progress: (ExperimentEvent) throws -> Void = { _ in }
  ) throws {
    let kinds = ProjectionKind.allCases
    let total = kinds.count * options.columns.count * options.rows.count
    var rows: [Row] = []
    for columns in options.columns {
      let pairs = UnitPairs(options, columns: columns)
      for kind in kinds {
        for height in options.rows {
          try progress(
            .working(
              label: "\(kind.rawValue) \(height)×\(columns)", done: rows.count, total: total))
          rows.append(Self.row(kind, height, columns, pairs, options))
        }
      }
    }
    cosine = options.cosine
    draws = options.draws
    self.rows = rows
    slopes = options.columns.flatMap { columns in
      kinds.compactMap { kind in
        Self.slope(
          kind, columns, rows.filter { $0.columns == columns && $0.matrix == kind.rawValue })
      }
    }
  }

  private static func row(
    _ kind: ProjectionKind, _ rows: Int, _ columns: Int, _ pairs: UnitPairs, _ options: Options
  ) -> Row {
    var orthogonality: [Double] = [], bias: [Double] = [], variance: [Double] = []
    for draw in 0..<options.draws {
      let matrix = kind.draw(rows, columns, seed: options.seed, draw)
      orthogonality.append(RandomMatrix.orthogonalityError(matrix))
      let errors = pairs.errors(under: matrix)
      bias.append(errors.reduce(0, +) / Double(errors.count))
      variance.append(errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count))
    }
    let law = ProjectionLaw(kind, rows: rows, columns: columns)
    return Row(
      matrix: kind.rawValue, rows: rows, columns: columns,
      orthogonalityError: figure(orthogonality, law.orthogonalityError),
      bias: figure(bias, law.isExact ? 0 : nil),
      dotProductVariance: figure(variance, law.dotProductVariance(pairs)))
  }

  private static func figure(_ values: [Double], _ expected: Double?) -> Figure {
    let count = Double(values.count), mean = values.reduce(0, +) / count
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let error = values.count < 2 ? 0 : (squares / (count - 1) / count).squareRoot()
    return Figure(measured: mean, standardError: error, expected: expected)
  }

  /// A line through what is not zero; orthogonal rows make no error at all where N divides M.
  private static func slope(_ kind: ProjectionKind, _ columns: Int, _ rows: [Row]) -> Slope? {
    let points = rows.filter { $0.dotProductVariance.measured > 1e-20 }.map {
      (x: log(Double($0.rows)), y: 0.5 * log($0.dotProductVariance.measured))
    }
    guard points.count > 1 else { return nil }
    let count = Double(points.count)
    let x = points.reduce(0) { $0 + $1.x } / count, y = points.reduce(0) { $0 + $1.y } / count
    let width = points.reduce(0) { $0 + ($1.x - x) * ($1.x - x) }
    let slope = points.reduce(0) { $0 + ($1.x - x) * ($1.y - y) } / width
    let isIndependent = kind == .bernoulli || kind == .gaussian
    return Slope(
      matrix: kind.rawValue, columns: columns, measured: slope, expected: isIndependent ? -0.5 : nil
    )
  }

  /// The error of a scalar product over M, measured and expected.
  public var picture: String {
    let kinds = ProjectionKind.allCases.map(\.rawValue)
    let places = rows.reduce(into: [(Int, Int)]()) { places, row in
      if !places.contains(where: { $0 == (row.columns, row.rows) }) {
        places.append((row.columns, row.rows))
      }
    }
    func height(_ variance: Double?) -> Double {
      guard let variance, variance > 1e-20 else { return .nan }
      return 0.5 * log2(variance)
    }
    return DotPlot(
      title: "How much of a scalar product random projections lose",
      axis: "log₂ of the root mean square error (less is better)",
      series: kinds.map { DotPlot.Series(name: $0) } + [
        DotPlot.Series(name: "closed form", isFaint: true)
      ],
      rows: places.map { place in
        let here = rows.filter { $0.columns == place.0 && $0.rows == place.1 }
        let points = here.enumerated().flatMap { index, row in
          [
            (series: index, value: height(row.dotProductVariance.measured)),
            (series: kinds.count, value: height(row.dotProductVariance.expected)),
          ]
        }
        return DotPlot.Row(label: "\(place.0) → \(place.1)", points: points)
      }
    ).svg
  }

  /// The figures as text, a line for each matrix.
  public var table: String {
    func cell(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    func number(_ value: Double?) -> String { value.map { String(format: "%.3e", $0) } ?? "" }
    func pair(_ figure: Figure) -> String {
      cell(number(figure.measured), 12) + cell(number(figure.expected), 12)
    }
    var lines = [
      "random projections of unit vectors of cosine \(cosine), \(draws) matrices each",
      "matrix".padding(toLength: 16, withPad: " ", startingAt: 0) + cell("N", 6) + cell("M", 6)
        + cell("mean (AᵀA − I)²", 24) + cell("dot product variance", 24),
      String(repeating: " ", count: 28)
        + String(repeating: cell("measured", 12) + cell("expected", 12), count: 2),
    ]
    for row in rows {
      lines.append(
        row.matrix.padding(toLength: 16, withPad: " ", startingAt: 0) + cell("\(row.columns)", 6)
          + cell("\(row.rows)", 6) + pair(row.orthogonalityError) + pair(row.dotProductVariance))
    }
    lines.append("how the error falls with M: slope of its logarithm")
    for slope in slopes {
      let expected = slope.expected.map { ", expected \($0)" } ?? ""
      lines.append(
        "  \(slope.matrix), N = \(slope.columns): \(String(format: "%.3f", slope.measured))"
          + expected)
    }
    return lines.joined(separator: "\n")
  }
}
