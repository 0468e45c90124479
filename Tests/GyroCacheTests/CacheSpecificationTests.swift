import Foundation
import GyroCache
import GyroTensors
import Testing

@Suite struct CacheSpecificationTests {
  /// Every family with every option, as it is printed.
  static let full = [
    "float32", "float16", "int8", "int4:group=32,values=2,symmetric,window=16",
    "rotated-int3:group=16,values=8,symmetric,window=1,seed=7",
    "kivi:bits=4,values=2,group=16,value-group=64,window=0",
    "qjl:bits=5.5,values=3,value-group=64,outliers=4,outlier-rows=64,kind=hadamard,window=32,seed=1",
    "qjl:rows=256,values=2,outliers=4,window=128", "turbo:bits=2.5,values=3.5,rotation=none,seed=2",
    "turbo-prod:bits=3,values=2,rotation=hadamard,seed=1",
    "polar:angles=5/3/3/3,online=20,rotation=none,seed=3",
  ]

  private let shape: CacheShape
  init() throws { shape = try CacheShape(keyValueHeads: 2, headSize: 64, capacity: 200) }

  @Test func everyNameReadsBackAsItIsPrinted() throws {
    for text in Self.full + CacheFamily.names {
      let specification = try CacheSpecification(text)
      #expect(specification.description == text)
      #expect(try CacheSpecification(specification.description) == specification)
      let coded = try JSONEncoder().encode([specification])
      #expect(try JSONDecoder().decode([CacheSpecification].self, from: coded) == [specification])
    }
    let mixed = try CacheSpecification("qjl:window=032,rows=0256")
    #expect(mixed.description == "qjl:rows=256,window=32")
    #expect(try CacheSpecification("turbo:bits=3.0").description == "turbo:bits=3")
    #expect(try CacheSpecification("int4:").description == "int4")
  }

  @Test func everyNameMakesACacheThatHoldsTokens() throws {
    var random = RandomStream(seed: 3)
    let keys = random.normal([100, 128]), values = random.normal([100, 128])
    let queries = random.normal([2, 128])
    for text in Self.full + CacheFamily.names {
      let specification = try CacheSpecification(text)
      var cache = try specification.make(shape)
      let empty = cache
      try cache.append(keys: keys, values: values)
      #expect(cache.length == 100 && empty.length == 0)
      #expect(try cache.attention(queries).elements.allSatisfy(\.isFinite), "\(text)")
      // Copies share what does not depend on tokens, and nothing else.
      var other = empty
      try other.append(keys: values, values: keys)
      var again = empty
      try again.append(keys: keys, values: values)
      #expect(again.snapshot == cache.snapshot && other.fingerprint == cache.fingerprint)
    }
  }

  @Test func theGuideHasALineForEachFamilyAndOption() {
    let lines = CacheFamily.guide.split(separator: "\n")
    #expect(lines.count == CacheFamily.all.reduce(0) { $0 + 1 + $1.options.count })
    #expect(CacheFamily.names.allSatisfy { CacheFamily.guide.contains($0) })
    #expect(CacheFamily.overview.split(separator: "\n").count == CacheFamily.all.count)
    #expect(CacheFamily.overview.contains("[angles, online, rotation, seed]"))
    #expect(Set(CacheFamily.names).count == CacheFamily.names.count)
  }

  @Test func mistakesNameWhatIsNearest() {
    let known = CacheFamily.names.joined(separator: ", ")
    let mistakes = [
      "turbo-prd": "there is no cache 'turbo-prd'; the nearest is 'turbo-prod', known are \(known)",
      "": "there is no cache ''; the nearest is 'float16', known are \(known)",
      "turbo:bit=3":
        "there is no option of turbo 'bit'; the nearest is 'bits', known are bits, values, "
        + "rotation, seed",
      "float32:bits=3":
        "there is no option of float32 'bits', it has none; leave the part behind the colon out",
      "qjl:rows=few":
        "rows of qjl: expected a whole number from 64 to 4096, got 'few'; change the cache's options",
      "qjl:rows=64,rows=64":
        "rows of qjl: expected to be said once, got it twice; change the cache's options",
      "qjl:rows=64,bits=3": "qjl: expected bits or rows, got both; change the cache's options",
      "int4:symmetric=yes":
        "symmetric of int4: expected nothing behind its name, got 'yes'; change the cache's options",
      "turbo:bits=2.2":
        "bits of turbo: expected 1, 1.5, 2, 2.5, 3, 3.5 or 4, got 2.2; change the cache's options",
      "turbo:rotation=left":
        "rotation of turbo: expected orthogonal or hadamard or none, got 'left'; change the cache's "
        + "options",
      "polar:angles=4/2":
        "angles of polar: expected four whole numbers such as 4/2/2/2, got '4/2'; change the cache's "
        + "options",
    ]
    for (text, words) in mistakes {
      let error = #expect(throws: CacheError.self) { try CacheSpecification(text) }
      #expect(error?.description == words)
    }
  }

  @Test func bitsOfAKeyBecomeRowsOfASketch() throws {
    func rows(_ text: String, headSize: Int) throws -> Int {
      let shape = try CacheShape(keyValueHeads: 1, headSize: headSize, capacity: 256)
      let cache = try CacheSpecification(text).make(shape)
      let made = try #require(cache as? CombinedCache<QJLKeyCache, GroupValueCache>)
      return made.keys.options.rows
    }
    #expect(try rows("qjl:bits=3", headSize: 128) == 320)
    #expect(try rows("qjl:bits=3", headSize: 64) == 128)
    #expect(try rows("qjl:bits=4,outliers=4,outlier-rows=64", headSize: 128) == 384)
    #expect(try rows("qjl:bits=3,outliers=4,outlier-rows=0", headSize: 128) == 256)
    #expect(try rows("qjl", headSize: 128) == 256)
    let small = try CacheShape(keyValueHeads: 1, headSize: 16, capacity: 256)
    let error = #expect(throws: CacheError.self) {
      try CacheSpecification("qjl:bits=3").make(small)
    }
    #expect(
      error?.description
        == "bits of qjl: expected at least 5.0 for heads of 16, got 3; change the cache's options")
  }

  /// Bits by arithmetic: codes, Float16 norms, scales and minima over the elements of a head of 128.
  @Test func costsAreCountedFromTheBuffers() throws {
    let bits: [String: Double] = [
      "float32": 32, "float16": 16, "int4": 4.25, "int4:symmetric": 4.125, "int2:group=32": 3,
      "rotated-int3": 3.25, "kivi:bits=2": 3, "turbo:bits=3": 3.125, "turbo:bits=2.5": 2.5,
      "turbo-prod:bits=3,values=3": 3.1875, "polar": 3.875, "qjl:rows=256,values=2": 2.5625,
      "qjl:bits=3": (2.625 + 3) / 2,
    ]
    let shape = try CacheShape(keyValueHeads: 2, headSize: 128, capacity: 500)
    for (text, expected) in bits {
      let specification = try CacheSpecification(text)
      let cost = try CacheCost(specification, shape, layers: 3)
      #expect(abs(cost.bitsPerElement - expected) < 0.002, "\(text): \(cost.bitsPerElement)")
      var cache = try specification.make(shape)
      var random = RandomStream(seed: 4)
      let rows = random.normal([500, 256])
      try cache.append(keys: rows, values: rows)
      let made = cache.bytes
      #expect(cost.bytes == 3 * made.own + made.sharedTotal)
      #expect(cost.float16Bytes == 3 * 2 * 2 * 256 * 500)
    }
  }
}
