import CGyroKernels
public import GyroTensors

/// The number types of safetensors, with the names the format gives them.
///
/// Writing rounds to nearest, ties to even. Types with an infinity (F16, BF16, F8_E5M2) overflow to
/// it; types without one (F8_E4M3, F8_E8M0) saturate, infinity included, as the Open Compute
/// Project's formats do in saturating mode; NaN stays NaN. F8_E8M0 has no sign and no zero: zeros
/// become 2⁻¹²⁷ and negative numbers NaN. Integers and BOOL are written only from values they hold
/// exactly.
public enum ScalarType: String, Sendable, Hashable, Codable, CaseIterable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case float8E4M3 = "F8_E4M3"
  case float8E5M2 = "F8_E5M2"
  case float8E8M0 = "F8_E8M0"
  case int64 = "I64"
  case int32 = "I32"
  case int16 = "I16"
  case int8 = "I8"
  case uint64 = "U64"
  case uint32 = "U32"
  case uint16 = "U16"
  case uint8 = "U8"
  case bool = "BOOL"

  /// Bytes per number.
  public var byteCount: Int {
    switch self {
    case .float64, .int64, .uint64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float8E4M3, .float8E5M2, .float8E8M0, .int8, .uint8, .bool: 1
    }
  }

  /// Whether this is a floating-point type.
  public var isFloatingPoint: Bool {
    switch self {
    case .float64, .float32, .float16, .bfloat16, .float8E4M3, .float8E5M2, .float8E8M0: true
    default: false
    }
  }

  /// The format of tensors that keep the numbers as they are; nil for types not of 16 bits.
  public var halfFormat: HalfElements.Format? {
    switch self {
    case .float16: .float16
    case .bfloat16: .bfloat16
    default: nil
    }
  }

  /// Reads `count` numbers as Float32. Exact for types of 16 bits or fewer, else rounded to nearest.
  ///
  /// - Parameter bytes: aligned for the type.
  public func decode(
    _ bytes: UnsafeRawPointer, count: Int, into destination: UnsafeMutablePointer<Float>
  ) {
    gyro_convert_to_float(bytes, kernelType, Int64(count), destination)
  }

  /// Writes `count` Float32 numbers as this type, by the rules above.
  ///
  /// - Parameter bytes: room for `count · byteCount` bytes, aligned for the type.
  /// - Returns: The place of the first value an integer type does not hold; always nil for a
  ///   floating-point type.
  public func encode(
    _ values: UnsafePointer<Float>, count: Int, into bytes: UnsafeMutableRawPointer
  ) -> Int? {
    if isFloatingPoint {
      gyro_convert_from_float(values, Int64(count), kernelType, bytes)
      return nil
    }
    for index in 0..<count {
      guard let whole = Int128(exactly: values[index]), store(whole, at: index, in: bytes) else {
        return index
      }
    }
    return nil
  }

  /// Reads the integer (or truth value) at `index`; nil for a floating-point type or when the
  /// number does not fit.
  func integer(at index: Int, in bytes: UnsafeRawBufferPointer) -> Int64? {
    func load<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Int64? {
      Int64(exactly: bytes.loadUnaligned(fromByteOffset: index * byteCount, as: type))
    }
    return switch self {
    case .int64: load(Int64.self)
    case .int32: load(Int32.self)
    case .int16: load(Int16.self)
    case .int8: load(Int8.self)
    case .uint64: load(UInt64.self)
    case .uint32: load(UInt32.self)
    case .uint16: load(UInt16.self)
    case .uint8: load(UInt8.self)
    case .bool: bytes[index] == 0 ? 0 : 1
    default: nil
    }
  }

  /// Stores a whole number as an integer type.
  ///
  /// - Returns: Whether the type holds it.
  func store(_ whole: Int128, at index: Int, in bytes: UnsafeMutableRawPointer) -> Bool {
    func put<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Bool {
      guard let value = Integer(exactly: whole) else { return false }
      bytes.storeBytes(of: value, toByteOffset: index * byteCount, as: type)
      return true
    }
    return switch self {
    case .int64: put(Int64.self)
    case .int32: put(Int32.self)
    case .int16: put(Int16.self)
    case .int8: put(Int8.self)
    case .uint64: put(UInt64.self)
    case .uint32: put(UInt32.self)
    case .uint16: put(UInt16.self)
    case .uint8: put(UInt8.self)
    case .bool: (0...1).contains(whole) && put(UInt8.self)
    default: false
    }
  }

  private var kernelType: gyro_scalar_type {
    switch self {
    case .float64: gyro_float64
    case .float32: gyro_float32
    case .float16: gyro_float16
    case .bfloat16: gyro_bfloat16
    case .float8E4M3: gyro_float8_e4m3
    case .float8E5M2: gyro_float8_e5m2
    case .float8E8M0: gyro_float8_e8m0
    case .int64: gyro_int64
    case .int32: gyro_int32
    case .int16: gyro_int16
    case .int8: gyro_int8
    case .uint64: gyro_uint64
    case .uint32: gyro_uint32
    case .uint16: gyro_uint16
    case .uint8: gyro_uint8
    case .bool: gyro_bool
    }
  }
}
