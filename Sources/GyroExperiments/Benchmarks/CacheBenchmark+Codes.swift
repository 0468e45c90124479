import GyroCache

extension CacheBenchmark {
  /// Keys and values as codes: rotated levels, polar angles, whole numbers.
  public static let codes =
    [
      turbo("turbo 2 bits", TurboScheme(bits: 2)),
      turbo("turbo 2.5 bits", .mixed2),
      turbo("turbo 3 bits", TurboScheme(bits: 3)),
      turbo("turbo 4 bits", TurboScheme(bits: 4)),
      turbo("turbo 4 bits, Hadamard", TurboScheme(bits: 4, rotation: .hadamard(seed: 0))),
      Candidate("turbo prod 3 bits, values 2 bits") {
        try CombinedCache(
          keys: TurboKeyCache($0, TurboScheme(bits: 3, estimator: .innerProduct)),
          values: TurboValueCache($0, TurboScheme(bits: 2)))
      },
      Candidate("polar 4/2/2/2") {
        try CombinedCache(
          keys: PolarKeyCache($0, PolarScheme()), values: PolarValueCache($0, PolarScheme()))
      },
    ]
    + [2, 4, 8].flatMap { bits in
      [
        integer("int\(bits) keys per channel", bits, .channels(tokens: 32)),
        integer("int\(bits) keys per token", bits, .tokens(channels: 32)),
      ]
    }

  private static func turbo(_ name: String, _ scheme: TurboScheme) -> Candidate {
    Candidate(name) {
      try CombinedCache(keys: TurboKeyCache($0, scheme), values: TurboValueCache($0, scheme))
    }
  }

  private static func integer(
    _ name: String, _ bits: Int, _ grouping: IntegerCacheScheme.Grouping
  ) -> Candidate {
    Candidate(name) {
      try CombinedCache(
        keys: IntegerKeyCache($0, IntegerCacheScheme(bits: bits, grouping: grouping)),
        values: IntegerValueCache($0, IntegerCacheScheme(bits: bits)))
    }
  }
}
