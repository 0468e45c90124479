import Glibc

/// A counter-based stream of random numbers: the value at each place follows from
/// (seed, label, counter, place) alone, so masks, initial weights and shuffles depend neither on
/// the order of construction nor on what was drawn before, and a resumed run draws the same.
///
/// The generator is Philox 4×32 with 10 rounds (Salmon et al., 2011).
public struct RandomStream: RandomNumberGenerator, Sendable, Equatable {
  private let key: (UInt32, UInt32)
  private let high: UInt64
  private var place: UInt64 = 0
  private var spare: UInt64?

  /// The root stream of a seed.
  public init(seed: UInt64) { self.init(key: seed, high: 0) }

  private init(key: UInt64, high: UInt64) {
    self.key = (UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32))
    self.high = high
  }

  public static func == (a: RandomStream, b: RandomStream) -> Bool {
    a.key == b.key && a.high == b.high && a.place == b.place && a.spare == b.spare
  }

  /// An independent stream for one purpose, e.g. `derived("blocks.3.dropout", step)`.
  public func derived(_ label: String, _ counter: Int = 0) -> RandomStream {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a over the label, then mixed by Philox itself
    for byte in label.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let seedWord = UInt64(key.0) | UInt64(key.1) << 32
    let mixed = Self.block(
      (
        UInt32(truncatingIfNeeded: hash), UInt32(truncatingIfNeeded: hash >> 32),
        UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32)
      ),
      (key.0 ^ UInt32(truncatingIfNeeded: high), key.1 ^ UInt32(truncatingIfNeeded: high >> 32)))
    return RandomStream(key: seedWord &+ mixed.0, high: mixed.1)
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    if let value = spare {
      spare = nil
      return value
    }
    let (first, second) = Self.block(
      (
        UInt32(truncatingIfNeeded: place), UInt32(truncatingIfNeeded: place >> 32),
        UInt32(truncatingIfNeeded: high), UInt32(truncatingIfNeeded: high >> 32)
      ), key)
    place += 1
    spare = second
    return first
  }

  /// A uniform number in [0, 1) with 24 random bits.
  public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// A whole number in `0 ..< bound`, without bias.
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "RandomStream.integer: the bound must be positive, not \(bound)")
    return Int(next(upperBound: UInt64(bound)))
  }

  /// Two independent standard normal numbers (Box–Muller, in double precision).
  public mutating func normalPair() -> (Float, Float) {
    let radius = (-2 * log((Double(next() >> 11) + 1) * 0x1p-53)).squareRoot()
    let angle = 2 * Double.pi * Double(next() >> 11) * 0x1p-53
    return (Float(radius * cos(angle)), Float(radius * sin(angle)))
  }

  /// A random order of `0 ..< count` (Fisher–Yates).
  public mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, integer(below: last + 1))
    }
    return order
  }

  /// Normal numbers of the given mean and standard deviation.
  public mutating func normal(
    _ shape: Shape, mean: Float = 0, standardDeviation: Float = 1
  ) -> Tensor {
    Tensor.filled(shape) { pointer in
      var index = 0
      while index < shape.count {
        let (first, second) = normalPair()
        pointer[index] = mean + standardDeviation * first
        if index + 1 < shape.count { pointer[index + 1] = mean + standardDeviation * second }
        index += 2
      }
    }
  }

  /// Uniform numbers in `range`.
  public mutating func uniform(_ shape: Shape, in range: Range<Float> = 0..<1) -> Tensor {
    Tensor.filled(shape) { pointer in
      for index in 0..<shape.count {
        pointer[index] = range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
      }
    }
  }

  private static func block(
    _ counter: (UInt32, UInt32, UInt32, UInt32), _ key: (UInt32, UInt32)
  ) -> (UInt64, UInt64) {
    var (a, b, c, d) = counter
    var (k0, k1) = key
    for _ in 0..<10 {
      let p = UInt64(a) * 0xD251_1F53, q = UInt64(c) * 0xCD9E_8D57
      (a, b, c, d) = (
        UInt32(truncatingIfNeeded: q >> 32) ^ b ^ k0, UInt32(truncatingIfNeeded: q),
        UInt32(truncatingIfNeeded: p >> 32) ^ d ^ k1, UInt32(truncatingIfNeeded: p)
      )
      k0 &+= 0x9E37_79B9
      k1 &+= 0xBB67_AE85
    }
    return (UInt64(a) | UInt64(b) << 32, UInt64(c) | UInt64(d) << 32)
  }
}
