import CGyroMatmul

/// How a matrix product of Float32 tensors is computed.
public enum MatmulPrecision: String, Sendable, Codable, CaseIterable {
  /// Float32 products and sums (fused multiply-add).
  case float32
  /// Float32 in another arrangement, for CPUs with matrix tiles: every operand is the sum of three
  /// bfloat16 pieces, which hold all 24 bits, and six of their nine products are summed in Float32;
  /// the other three lie below the rounding of the sum. As accurate as Float32, and faster on tiles;
  /// elsewhere it is Float32.
  case tiledFloat32 = "tiled-float32"
  /// Relaxed arithmetic, used only where it is asked for by name: two bfloat16 pieces and three
  /// products. The inputs keep 16 to 17 bits of their significand (Float32 has 24, TF32 11). Two to
  /// three times as fast as Float32 on tiles; elsewhere it is Float32.
  case splitBFloat16 = "split-bfloat16"

  /// How many bfloat16 pieces stand for a Float32, where pieces are used.
  package var pieces: Int { self == .splitBFloat16 ? 2 : 3 }
}

extension Tensor {
  /// The matrix product over the last two axes, row-major, either side transposed.
  ///
  /// - `[m, k] · [k, n] → [m, n]`; leading axes of `self` beyond two are rows when `other` is a
  ///   matrix and `self` is not transposed; otherwise both sides must have equal leading axes.
  /// - A transposed view of a row-major tensor is multiplied without a copy.
  /// - When `other` is transposed and both sides lie on integer grids, the product is an exact
  ///   integer product, rounded once to Float32.
  /// - Any other product of matrices with a side on a grid uses its codes or units as they are, which
  ///   are exact in bfloat16, and so are their products; `precision` says how a side of plain
  ///   Float32 is cut. Where there are no tiles, the sides are Float32.
  public func matmul(
    _ other: Tensor, transposingSelf: Bool = false, transposingOther: Bool = false,
    precision: MatmulPrecision = .float32
  ) -> Tensor {
    if transposingOther, !transposingSelf, other.shape.rank == 2,
      let left = grid, let right = other.grid
    {
      return integerProduct(left, right, rows: shape.dimensions.dropLast())
    }
    let (a, flipA) = plainMatrix(transposingSelf)
    let (b, flipB) = other.plainMatrix(transposingOther)
    precondition(
      a.shape.rank >= 2 && b.shape.rank >= 2,
      "matmul: needs matrices, got \(shape) and \(other.shape)")
    if b.shape.rank == 2, !flipA {
      return a.product(b, flipA, flipB, rows: Array(a.shape.dimensions.dropLast()), precision)
    }
    if a.shape.rank == 2, b.shape.rank == 2 {
      return a.product(b, flipA, flipB, rows: [a.shape[1]], precision)
    }
    return a.batchedProduct(b, flipA, flipB)
  }

  /// Drops a transposition of the last two axes into a flag.
  private func plainMatrix(_ transposing: Bool) -> (Tensor, Bool) {
    if !isContiguous, shape.rank >= 2 {
      let flipped = transposed()
      if flipped.isContiguous { return (flipped, !transposing) }
    }
    return (contiguous(), transposing)
  }

  private func integerProduct(
    _ left: IntegerGrid, _ right: IntegerGrid, rows: ArraySlice<Int>
  ) -> Tensor {
    precondition(
      left.columns == right.columns,
      "matmul: codes of \(left.columns) and \(right.columns) columns do not multiply")
    return Tensor.filled(Shape(Array(rows) + [right.rows])) { output in
      let status = gyro_matmul_s8(
        Int64(left.rows), Int64(right.rows), Int64(left.columns), left.codePointer,
        left.scalePointer, right.codePointer, right.scalePointer, nil, output)
      precondition(status == 0, "matmul: the integer engine failed with code \(status)")
    }
  }

  private func product(
    _ other: Tensor, _ flipA: Bool, _ flipB: Bool, rows: [Int], _ precision: MatmulPrecision
  ) -> Tensor {
    let m = flipA ? shape.columns : shape.rows
    let k = flipA ? shape.rows : shape.columns
    let n = flipB ? other.shape[0] : other.shape[1]
    let inner = flipB ? other.shape[1] : other.shape[0]
    precondition(
      k == inner,
      "matmul: \(shape)\(flipA ? "ᵀ" : "") · \(other.shape)\(flipB ? "ᵀ" : "") do not fit: "
        + "\(k) against \(inner)")
    let (encoded, otherEncoded) = (encodedMatrix, other.encodedMatrix)
    return Tensor.filled(Shape(rows + [n])) { output in
      let (flipA, flipB) = (Int32(flipA ? 1 : 0), Int32(flipB ? 1 : 0))
      let (m, n, k) = (Int64(m), Int64(n), Int64(k))
      if encoded != nil || otherEncoded != nil {
        let status = withFactor(encoded) { left in
          other.withFactor(otherEncoded) { right in
            gyro_matmul_mixed(
              Int32(precision.pieces), flipA, flipB, m, n, k, left, right, output)
          }
        }
        precondition(status == 0, "matmul: the mixed engine failed with code \(status)")
        return
      }
      withElements { left in
        other.withElements { right in
          let (lda, ldb) = (Int64(shape.columns), Int64(other.shape.columns))
          let status =
            precision == .float32
            ? gyro_matmul_f32(flipA, flipB, m, n, k, 1, left, lda, right, ldb, 0, output, n)
            : gyro_matmul_f32_split(
              Int32(precision.pieces), flipA, flipB, m, n, k, 1, left, lda, right, ldb, 0, output, n
            )
          precondition(status == 0, "matmul: the engine failed with code \(status)")
        }
      }
    }
  }

  private func batchedProduct(_ other: Tensor, _ flipA: Bool, _ flipB: Bool) -> Tensor {
    let batch = Array(shape.dimensions.dropLast(2))
    precondition(
      batch == Array(other.shape.dimensions.dropLast(2)),
      "matmul: leading axes of \(shape) and \(other.shape) differ")
    let m = flipA ? shape[-1] : shape[-2]
    let k = flipA ? shape[-2] : shape[-1]
    let n = flipB ? other.shape[-2] : other.shape[-1]
    let inner = flipB ? other.shape[-1] : other.shape[-2]
    precondition(k == inner, "matmul: \(shape) · \(other.shape) do not fit: \(k) against \(inner)")
    return Tensor.filled(Shape(batch + [m, n])) { output in
      withElements { left in
        other.withElements { right in
          let status = gyro_matmul_f32_batched(
            Int64(batch.reduce(1, *)), Int64(m * k), Int64(k * n), Int64(m * n),
            flipA ? 1 : 0, flipB ? 1 : 0, Int64(m), Int64(n), Int64(k), 1,
            left, Int64(shape.columns), right, Int64(other.shape.columns), 0, output, Int64(n))
          precondition(status == 0, "matmul: the engine failed with code \(status)")
        }
      }
    }
  }
}

extension Tensor {
  /// `selfᵀ · self` of a matrix `[k, n]`, of which only the lower triangle is computed: the bits there
  /// are those of `matmul`, at about half the work. What stands above the diagonal is not specified.
  package func lowerGram(precision: MatmulPrecision = .float32) -> Tensor {
    precondition(shape.rank == 2, "lowerGram: needs a matrix, got \(shape)")
    let x = contiguous(), encoded = x.encodedMatrix
    let pieces = precision == .float32 && encoded == nil ? 0 : precision.pieces
    return Tensor.filled([shape[1], shape[1]]) { output in
      let status = x.withFactor(encoded) {
        gyro_matmul_lower_gram(Int32(pieces), Int64(shape[1]), Int64(shape[0]), $0, output)
      }
      precondition(status == 0, "lowerGram: the engine failed with code \(status)")
    }
  }
}
