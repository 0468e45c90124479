import CGyroKernels
public import GyroTensors

/// PolarQuant's codes of a cache's rows (2502.02617).
public struct PolarCodes: TokenCodes {
  public let shape: CacheShape
  public let scheme: PolarScheme
  /// The angles in use; those for normal coordinates until the first tokens have been seen.
  public private(set) var codebook: PolarCodebook
  private let rotation: RowRotation
  private var tables: CacheBuffer<Float>
  private var codes: CacheBuffer<UInt8>
  private var radii: CacheBuffer<UInt16>
  private let units: Int

  public init(_ shape: CacheShape, _ scheme: PolarScheme) throws(CacheError) {
    try scheme.check(shape)
    self.shape = shape
    self.scheme = scheme
    rotation = RowRotation(scheme.rotation, size: shape.headSize)
    let format = Self.format(shape, scheme)
    units = Int(gyro_polar_units(format, Int64(shape.capacity)))
    codes = CacheBuffer(
      count: shape.keyValueHeads * units * Int(gyro_polar_unit_bytes(format)))
    radii = CacheBuffer(count: shape.keyValueHeads * units * 8)
    tables = CacheBuffer(count: 256)
    codebook = PolarCodebook(bits: scheme.bits)
    fillTables()
  }

  private static func format(_ shape: CacheShape, _ scheme: PolarScheme) -> gyro_polar_format {
    let b = scheme.bits.map(Int32.init)
    return gyro_polar_format(head_size: Int32(shape.headSize), bits: (b[0], b[1], b[2], b[3]))
  }

  private mutating func fillTables() {
    let numbers = codebook.tables
    tables.write { $0.update(from: numbers, count: numbers.count) }
  }

  public var calibration: Int {
    if case .online(let tokens) = scheme.codebook { tokens } else { 0 }
  }

  public mutating func calibrate(_ rows: Tensor) {
    codebook = PolarCodebook(bits: scheme.bits, learnedFrom: rotated(rows))
    fillTables()
  }

  private func rotated(_ rows: Tensor) -> Tensor {
    rotation.applied(to: rows.contiguous())
  }

  public mutating func encode(_ rows: Tensor, first: Int) {
    let rotated = rotated(rows), count = rows.shape[0]
    let (shape, scheme, units) = (shape, scheme, units)
    codes.write { codes in
      radii.write { radii in
        tables.read { tables in
          tables.withMemoryRebound(to: gyro_polar_tables.self, capacity: 1) { tables in
            var job = gyro_polar_rows(
              format: Self.format(shape, scheme), codes: codes, radii: radii, tables: tables,
              heads: Int64(shape.keyValueHeads), units: Int64(units), count: 0,
              variant: Int32(gyro_variant_best.rawValue))
            rotated.withElements { gyro_polar_encode(&job, $0, Int64(first), Int64(count)) }
          }
        }
      }
    }
  }

  /// Calls `body` with the first `tokens` tokens as the kernels see them.
  func withRows<Result>(tokens: Int, _ body: (inout gyro_polar_rows) -> Result) -> Result {
    codes.read { codes in
      radii.read { radii in
        tables.read { tables in
          tables.withMemoryRebound(to: gyro_polar_tables.self, capacity: 1) { tables in
            var rows = gyro_polar_rows(
              format: Self.format(shape, scheme), codes: UnsafeMutablePointer(mutating: codes),
              radii: UnsafeMutablePointer(mutating: radii), tables: tables,
              heads: Int64(shape.keyValueHeads), units: Int64(units), count: Int64(tokens),
              variant: Int32(gyro_variant_best.rawValue))
            return body(&rows)
          }
        }
      }
    }
  }

  private func shape(_ queries: Int, _ queryHeads: Int) -> gyro_code_queries {
    gyro_code_queries(count: Int64(queries), repeats: Int64(queryHeads / shape.keyValueHeads))
  }

  public func scores(
    _ queries: Tensor, queryHeads: Int, tokens: Int, into scores: UnsafeMutablePointer<Float>,
    stride: Int
  ) {
    let rotated = rotated(queries)
    withRows(tokens: tokens) { rows in
      rotated.withElements {
        gyro_polar_scores(
          &rows, shape(queries.shape[0], queryHeads), $0, scores, Int64(stride))
      }
    }
  }

  public func weightedValues(
    _ weights: UnsafePointer<Float>, queries: Int, queryHeads: Int, tokens: Int, stride: Int
  ) -> Tensor {
    let shape = shape(queries, queryHeads), size = self.shape.headSize
    let sum = withRows(tokens: tokens) { rows in
      Tensor.filled([queries * queryHeads, size]) { output in
        _ = Tensor.filled([Int(gyro_polar_scratch(&rows, shape))]) { scratch in
          gyro_polar_weighted(&rows, shape, weights, Int64(stride), output, scratch)
        }
      }
    }
    return rotation.undone(sum).reshaped(to: [queries, queryHeads * size])
  }

  public func decoded(tokens: Int) -> Tensor {
    let rows = withRows(tokens: tokens) { rows in
      Tensor.filled([tokens * shape.keyValueHeads, shape.headSize]) {
        gyro_polar_decode(&rows, $0)
      }
    }
    return rotation.undone(rows).reshaped(to: [tokens, shape.width])
  }

  public var bytes: CacheBytes {
    var bytes = CacheBytes(codes: codes.byteCount, norms: radii.byteCount)
    let isShared = scheme.codebook == .offline
    if isShared {
      bytes.shared["polar tables \(scheme.bits)"] = tables.byteCount
    } else {
      bytes.scales = tables.byteCount
    }
    if rotation.byteCount > 0 {
      bytes.shared["rotation \(shape.headSize)"] = rotation.byteCount
    }
    return bytes
  }

  public var parts: [String: [UInt8]] {
    let angles = codebook.angles.flatMap { $0 }.flatMap { angle in
      (0..<8).map { UInt8(truncatingIfNeeded: angle.bitPattern >> (8 * $0)) }
    }
    return ["codes": codes.contents, "radii": radii.contents, "angles": angles]
  }

  public mutating func restore(_ snapshot: CacheSnapshot) throws(CacheError) {
    let sizes = scheme.bits.map { 1 << $0 }
    codes.setContents(try snapshot.part("codes", count: codes.byteCount))
    radii.setContents(try snapshot.part("radii", count: radii.byteCount))
    let bytes = try snapshot.part("angles", count: sizes.reduce(0, +) * 8)
    var place = 0
    codebook = PolarCodebook(
      angles: sizes.map { size in
        (0..<size).map { _ in
          defer { place += 8 }
          return Double(
            bitPattern: (0..<8).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * $1) })
        }
      })
    fillTables()
  }

  public static var law: String {
    """
    The radius of a block is exact (to a Float16), the angles are rounded. For normal coordinates and \
    bits 4/2/2/2, E‖x − x̃‖²/‖x‖² = 2(1 − ΠE cos Δ) = .03208 and E⟨y, x̃⟩ = ΠE cos Δ·⟨y, x⟩ = \
    .98396⟨y, x⟩ over rotations: inner products shrink by half the squared error, as the radius is \
    kept. The error of ⟨y, x̃⟩ has a second moment of about .03208‖x‖²‖y‖²/d.
    """
  }
}

/// Keys as blocks of a radius and 15 angles.
public typealias PolarKeyCache = CodedKeyCache<PolarCodes>
/// Values as blocks of a radius and 15 angles.
public typealias PolarValueCache = CodedValueCache<PolarCodes>

extension CodedCache where Codes == PolarCodes, Role == KeyRole {
  /// The angles in use.
  public var codebook: PolarCodebook { codes.codebook }
}
