public import GyroManifolds
public import GyroModels
import GyroTensors

/// What is left to do when rotations have been learned.
extension ParameterStore {
  /// How far each rotation is from orthonormal.
  public func orthogonality(of paths: [ParameterPath]) -> [ParameterPath: OrthogonalityReport] {
    Dictionary(uniqueKeysWithValues: paths.map { ($0, OrthogonalityReport(of: self[$0])) })
  }

  /// Replaces each of `paths`, `[n, n]`, `[p, n]` or `[k, p, n]`, by the nearest matrix with orthonormal
  /// rows (the polar factor, worked out in Float64 and rounded to Float32).
  ///
  /// - Parameter limit: how far a rotation may have departed before; more means that the arithmetic that
  ///   moved it failed, and what was learned is not the neighbour that this makes of it.
  /// - Returns: how far each was from orthonormal before.
  /// - Throws: `OrthogonalityError` when one was farther than `limit` or cannot be factored; then nothing
  ///   has changed.
  @discardableResult
  public mutating func projectOnRotations(
    _ paths: [ParameterPath], within limit: Double = 1e-2
  ) throws(OrthogonalityError) -> [ParameterPath: OrthogonalityReport] {
    let reports = orthogonality(of: paths)
    var projected = self
    for path in paths {
      let report = reports[path]!
      guard report.largest <= limit else {
        throw .departed(path, report, limit: limit)
      }
      do {
        projected[path] = try Stiefel().projected(self[path])
      } catch {
        throw .notFactored(path, error.description)
      }
    }
    self = projected
    return reports
  }
}

/// A learned rotation that is none.
public enum OrthogonalityError: Error, Sendable, Equatable, CustomStringConvertible {
  /// It is farther from orthonormal than is allowed.
  case departed(ParameterPath, OrthogonalityReport, limit: Double)
  /// Its polar factor cannot be worked out.
  case notFactored(ParameterPath, String)

  public var description: String {
    switch self {
    case .departed(let path, let report, let limit):
      "the rotation \(path) is not orthogonal any more (\(report); the limit is \(limit)); "
        + "try a smaller rate, or a clamp of 0.5 on the step"
    case .notFactored(let path, let what):
      "the rotation \(path) cannot be brought back to an orthogonal one: \(what)"
    }
  }
}
