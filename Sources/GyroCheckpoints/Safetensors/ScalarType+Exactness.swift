public import GyroTensors

extension ScalarType {
  /// The narrowest of BF16, F16 and F32 (in this order) that holds every element of all tensors,
  /// bit for bit.
  public static func narrowest(holding tensors: some Sequence<Tensor>) -> ScalarType {
    var candidates: [ScalarType] = [.bfloat16, .float16]
    for tensor in tensors where !candidates.isEmpty {
      candidates.removeAll { !$0.holds(tensor) }
    }
    return candidates.first ?? .float32
  }

  /// Whether this type holds every element of a tensor, bit for bit.
  public func holds(_ tensor: Tensor) -> Bool {
    if self == .float32 || self == .float64 { return true }
    if let halves = tensor.halfElements, halves.format == halfFormat { return true }
    let length = 1 << 16
    let codes = PooledBuffer(byteCount: length * byteCount)
    let back = PooledBuffer(byteCount: length * 4)
    let values = back.pointer.assumingMemoryBound(to: Float.self)
    do {
      try tensor.forEachPiece(of: length) { piece in
        let bad = encode(piece.baseAddress!, count: piece.count, into: codes.pointer)
        decode(codes.pointer, count: piece.count, into: values)
        let isSame = piece.indices.allSatisfy { piece[$0].bitPattern == values[$0].bitPattern }
        if bad != nil || !isSame { throw Inexact() }
      }
      return true
    } catch {
      return false
    }
  }

  private struct Inexact: Error {}

  /// The most by which rounding to this type changes a number, relative to it; nil for a type that
  /// plain numbers of a model are not written in.
  public var roundoff: Float? {
    switch self {
    case .float32: 0
    case .float16: 0x1p-11
    case .bfloat16: 0x1p-8
    default: nil
    }
  }

  /// The type as `torch_dtype` names it; nil for one that plain numbers of a model are not written in.
  package var torchName: String? {
    switch self {
    case .float32: "float32"
    case .float16: "float16"
    case .bfloat16: "bfloat16"
    default: nil
    }
  }

  /// The numbers of a tensor as a reader of this type finds them.
  public func rounded(_ tensor: Tensor) -> Tensor {
    let codes = PooledBuffer(byteCount: 4096 * byteCount)
    return Tensor.filled(tensor.shape) { destination in
      var place = 0
      tensor.forEachPiece(of: 4096) { piece in
        _ = encode(piece.baseAddress!, count: piece.count, into: codes.pointer)
        decode(codes.pointer, count: piece.count, into: destination + place)
        place += piece.count
      }
    }
  }
}
