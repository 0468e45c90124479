import COpenBLAS

/// A number type that LAPACK factors: Float or Double.
public protocol LinearAlgebraScalar: BinaryFloatingPoint & Sendable {
  /// The LAPACK routines of this type.
  static var lapack: LapackRoutines<Self> { get }
}

extension Float: LinearAlgebraScalar {
  public static var lapack: LapackRoutines<Float> {
    LapackRoutines(
      geqrf: LAPACKE_sgeqrf, orgqr: LAPACKE_sorgqr, gesdd: LAPACKE_sgesdd,
      potrf: LAPACKE_spotrf, potri: LAPACKE_spotri, gesv: LAPACKE_sgesv,
      trtrs: LAPACKE_strtrs, syevd: LAPACKE_ssyevd)
  }
}

extension Double: LinearAlgebraScalar {
  public static var lapack: LapackRoutines<Double> {
    LapackRoutines(
      geqrf: LAPACKE_dgeqrf, orgqr: LAPACKE_dorgqr, gesdd: LAPACKE_dgesdd,
      potrf: LAPACKE_dpotrf, potri: LAPACKE_dpotri, gesv: LAPACKE_dgesv,
      trtrs: LAPACKE_dtrtrs, syevd: LAPACKE_dsyevd)
  }
}

/// The LAPACK routines of one number type, so that each factorization is written once.
public struct LapackRoutines<Scalar> {
  typealias Numbers = UnsafeMutablePointer<Scalar>
  typealias Size = Int32

  let geqrf: (Int32, Size, Size, Numbers?, Size, Numbers?) -> Int32
  let orgqr: (Int32, Size, Size, Size, Numbers?, Size, UnsafePointer<Scalar>?) -> Int32
  let gesdd:
    (Int32, CChar, Size, Size, Numbers?, Size, Numbers?, Numbers?, Size, Numbers?, Size) -> Int32
  let potrf: (Int32, CChar, Size, Numbers?, Size) -> Int32
  let potri: (Int32, CChar, Size, Numbers?, Size) -> Int32
  let gesv:
    (Int32, Size, Size, Numbers?, Size, UnsafeMutablePointer<Int32>?, Numbers?, Size) -> Int32
  let trtrs:
    (Int32, CChar, CChar, CChar, Size, Size, UnsafePointer<Scalar>?, Size, Numbers?, Size) -> Int32
  let syevd: (Int32, CChar, CChar, Size, Numbers?, Size, Numbers?) -> Int32
}

extension CChar {
  /// The code of an ASCII letter.
  init(_ letter: Unicode.Scalar) { self.init(letter.value) }
}

/// Traps on a negative status, which means an argument that this module got wrong.
func checkArguments(_ status: Int32, _ operation: String) {
  precondition(status >= 0, "\(operation): LAPACK rejected argument \(-status)")
}
