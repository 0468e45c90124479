public import GyroTensors

/// How far a matrix R, or the worst of a stack, is from orthonormal.
///
/// Both products are looked at: a rotation whose RᵀR is good to 5e-5 may have an RRᵀ that is off by
/// 1e-3, and merging into weights uses both. Worked out in Float64.
public struct OrthogonalityReport: Sendable, Equatable, CustomStringConvertible {
  /// max|R·Rᵀ − I|.
  public let rows: Double
  /// max|Rᵀ·R − I|; nil for a matrix with fewer rows than columns, where it cannot vanish.
  public let columns: Double?

  /// The larger of the two.
  public var largest: Double { columns.map { $0 <= rows ? rows : $0 } ?? rows }

  public init(of matrix: Matrix64) {
    rows = matrix.matmul(matrix, transposingOther: true).departureFromIdentity
    columns =
      matrix.rows < matrix.columns
      ? nil : matrix.matmul(matrix, transposingSelf: true).departureFromIdentity
  }

  /// A matrix `[p, n]` or a stack `[k, p, n]`.
  public init(of tensor: Tensor) {
    let reports = tensor.matrices.map { OrthogonalityReport(of: $0) }
    rows = reports.map(\.rows).reduce(0, Self.worse)
    let columns = reports.compactMap(\.columns)
    self.columns = columns.isEmpty ? nil : columns.reduce(0, Self.worse)
  }

  /// The larger; NaN is worst.
  private static func worse(_ a: Double, _ b: Double) -> Double { b <= a || a.isNaN ? a : b }

  public var description: String {
    "max|RRᵀ − I| \(Self.short(rows))" + (columns.map { ", max|RᵀR − I| \(Self.short($0))" } ?? "")
  }

  /// Two digits, e.g. 1.3e-07.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, value > 0 else { return "\(value)" }
    var exponent = 0
    var digits = value
    while digits >= 10 { (digits, exponent) = (digits / 10, exponent + 1) }
    while digits < 1 { (digits, exponent) = (digits * 10, exponent - 1) }
    return "\((digits * 10).rounded() / 10)e\(exponent)"
  }
}

extension Matrix64 {
  fileprivate var departureFromIdentity: Double {
    var worst = 0.0
    for row in 0..<rows {
      for column in 0..<columns {
        let departure = abs(elements[row * columns + column] - (row == column ? 1 : 0))
        if !(departure <= worst) { worst = departure }
      }
    }
    return worst
  }
}
