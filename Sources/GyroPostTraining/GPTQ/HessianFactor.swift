import CGyroKernels
import COpenBLAS
import GyroModels
import GyroTensors

/// The upper Cholesky factor U of a damped Hessian's inverse, `H⁻¹ = Uᵀ U` (2210.17323 §3.3, step 3).
///
/// With J the exchange of first and last, `J H J = Rᵀ R` gives `H = A Aᵀ` for the upper triangular
/// `A = J Rᵀ J`, so that `U = A⁻¹`: one factorization and the inverse of a triangle, half the work of
/// inverting H first, and no inverse to lose digits in. In Float64.
struct HessianFactor {
  /// `[in, in]`, in the order of columns asked for; zeros below the diagonal.
  let upper: Tensor
  /// The share of the mean diagonal that was added.
  let damping: Double

  /// How often the damping is raised, tenfold each time.
  static let retries = 3

  /// - Parameter order: the column of H that comes in each place; as they are when nil.
  init(
    _ hessian: Hessian, order: [Int]?, damping: Double, at path: ParameterPath
  ) throws(PostTrainingError) {
    var damping = damping
    for attempt in 0...Self.retries {
      if attempt > 0 { damping = max(damping, 1e-3) * 10 }
      if let upper = Self.factored(hessian, order, damping) {
        self.upper = upper
        self.damping = damping
        return
      }
    }
    throw .notPositiveDefinite(path, damping: damping)
  }

  private static func factored(_ hessian: Hessian, _ order: [Int]?, _ damping: Double) -> Tensor? {
    let size = hessian.size
    var diagonal = hessian.diagonal
    for column in diagonal.indices where diagonal[column] == 0 { diagonal[column] = 1 }
    let mean = diagonal.reduce(0, +) / Double(max(size, 1))
    let work = PooledBuffer(byteCount: max(size * size, 1) * MemoryLayout<Double>.size)
    let elements = work.pointer.assumingMemoryBound(to: Double.self)
    gyro_reversed_symmetric(
      hessian.sums, order?.map(Int64.init), Int64(size), hessian.factor, damping * mean, elements)
    for place in 0..<size {
      let column = order?[size - 1 - place] ?? size - 1 - place
      // What no input ever reached may be rounded to anything, and is to take no part.
      if hessian.sums[column * size + column] == 0 { elements[place * size + place] += 1 }
    }
    let (n, upper) = (Int32(size), CChar(UInt8(ascii: "U")))
    guard size > 0, LAPACKE_dpotrf(LAPACK_COL_MAJOR, upper, n, elements, n) == 0,
      LAPACKE_dtrtri(LAPACK_COL_MAJOR, upper, CChar(UInt8(ascii: "N")), n, elements, n) == 0
    else { return nil }
    return Tensor.filled([size, size]) { gyro_reversed_upper(elements, Int64(size), $0) }
  }
}
