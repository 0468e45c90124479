public import GyroTensors

/// All matrices: straight lines, every vector is tangent. What an ordinary weight lives on.
public struct Euclidean: Manifold, Equatable {
  public init() {}

  public func projected(_ matrix: Matrix64) -> Matrix64 { matrix }

  public func tangent(_ vector: Matrix64, at point: Matrix64) -> Matrix64 { vector }

  public func retracted(
    _ point: Matrix64, along tangent: Matrix64, by length: Double
  ) -> Matrix64 { point + length * tangent }

  public func transported(
    _ vector: Matrix64, from point: Matrix64, along tangent: Matrix64, by length: Double
  ) -> Matrix64 { vector }

  public func residual(_ matrix: Matrix64) -> Double { 0 }

  public var description: String { "euclidean" }
}
