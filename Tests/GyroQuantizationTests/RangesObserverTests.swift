import Foundation
import GyroQuantization
import GyroTensors
import Testing

@Suite("Observers: names, state and bad input")
struct RangesObserverTests {
  private static let methods: [RangeMethod] = [
    .minMax, .movingAverage(), .movingAverage(momentum: 0.99), .percentile(99.99),
    .percentile(50), .entropy, .meanSquare(), .meanSquare(.goldenSection), .clipSearch,
    .analytic(), .analytic(.gaussian), .analytic(.laplace), .crossEntropy,
  ]

  @Test("a method and its text are one", arguments: methods + [.batchNorm(), .batchNorm(alpha: 4)])
  func text(method: RangeMethod) throws {
    #expect(RangeMethod(method.description) == method)
    let coded = try JSONEncoder().encode([method])
    #expect(try JSONDecoder().decode([RangeMethod].self, from: coded) == [method])
  }

  @Test("the forms shown in messages are all methods, printed as written")
  func forms() throws {
    for form in RangeMethod.forms {
      #expect(try RangeMethod.parse(form).description == form)
    }
  }

  @Test(
    "numbers out of range and unknown names are errors that say what to try",
    arguments: [
      (
        "percentile-101",
        "percentile 101.0 is not above 0 and at most 100; try 99.9, 99.99, 99.999 or 99.9999"
      ),
      (
        "percentile-nan",
        "percentile nan is not above 0 and at most 100; try 99.9, 99.99, 99.999 or 99.9999"
      ),
      (
        "moving-average-1",
        "momentum 1.0 of a moving average is outside 0 ..< 1; try 0.9"
      ),
      ("batch-norm-0", "0.0 standard deviations are no range for a batch norm; try 6"),
      (
        "maximum",
        "there is no range method 'maximum'; known are min-max, moving-average, percentile-99.99, "
          + "entropy, mse, mse-golden, clip-search, aciq, aciq-gaussian, aciq-laplace, batch-norm, "
          + "cross-entropy"
      ),
    ])
  func badNames(text: String, message: String) {
    let error = #expect(throws: RangeError.self) { try RangeMethod.parse(text) }
    #expect(error?.description == message)
    #expect(RangeMethod(text) == nil)
  }

  @Test(
    "an archive restores every bit, and the observer goes on as if never stopped",
    arguments: methods)
  func archive(method: RangeMethod) throws {
    var stream = RandomStream(seed: 21)
    let batches = (0..<6).map { stream.normal([10, 40], standardDeviation: 1 + Float($0)) }
    var observer = try RangeObserver(method, site: "blocks.0.input")
    #expect(try RangeObserver(archive: observer.archive) == observer)
    for batch in batches[..<3] { try observer.observe(batch) }
    var restored = try RangeObserver(archive: observer.archive)
    #expect(restored == observer)
    for batch in batches[3...] {
      try observer.observe(batch)
      try restored.observe(batch)
    }
    #expect(restored == observer)
    let quantizer = try Quantizer.tensor(IntegerFormat.int8)
    #expect(try restored.range(for: quantizer) == observer.range(for: quantizer))
  }

  @Test("a broken archive names the key")
  func brokenArchive() throws {
    var observer = try RangeObserver(.entropy)
    try observer.observe(Tensor([2], elements: [1, -1]))
    for key in ["method", "site", "count", "extremes", "histogram.width", "histogram.zeros"] {
      var archive = observer.archive
      archive[key] = nil
      let error = #expect(throws: RangeError.self) { try RangeObserver(archive: archive) }
      #expect(error?.description.contains("is missing") == true)
    }
    var archive = observer.archive
    archive["extremes"] = Tensor([2], elements: [.nan, 1])
    #expect(throws: RangeError.archive(key: "extremes", "holds a value that is not finite")) {
      try RangeObserver(archive: archive)
    }
  }

  @Test("an empty stream has no range, whatever the method", arguments: methods)
  func empty(method: RangeMethod) throws {
    var observer = try RangeObserver(method, site: "lm_head.input")
    try observer.observe(.zeros([0, 8]))
    let error = #expect(throws: RangeError.self) {
      try observer.range(for: .tensor(IntegerFormat.int8))
    }
    #expect(
      error?.description
        == "lm_head.input: no values were observed, so there is no range; calibrate on at least "
        + "one batch, or use a dynamic range")
  }

  @Test("a stream of zeros has the range of zero, scale 1 and codes of zero", arguments: methods)
  func zeros(method: RangeMethod) throws {
    var observer = try RangeObserver(method)
    try observer.observe(.zeros([4, 8]))
    for isSymmetric in [true, false] {
      let quantizer = try Quantizer.tensor(IntegerFormat.int8, isSymmetric: isSymmetric)
      let range = try observer.range(for: quantizer)
      #expect(range == 0...0)
      let scales = quantizer.scales(ranges: [range])
      #expect(scales.scales.elements == [1])
      #expect(try quantizer.projected(.zeros([8]), with: scales).elements.allSatisfy { $0 == 0 })
    }
  }

  @Test(
    "NaN and infinity are refused, and leave the observer as it was",
    arguments: [Float.nan, .infinity, -.infinity])
  func notFinite(value: Float) throws {
    for method in Self.methods {
      var observer = try RangeObserver(method, site: "site")
      try observer.observe(Tensor([1, 3], elements: [1, 2, -3]))
      let before = observer
      #expect(throws: RangeError.notFinite(site: "site")) {
        try observer.observe(Tensor([1, 3], elements: [1, value, 2]))
      }
      #expect(observer == before)
    }
    #expect(throws: RangeError.notFinite(site: "weight")) {
      try WeightRanges.ranges(
        of: Tensor([2], elements: [1, value]), quantizer: .tensor(IntegerFormat.int8),
        method: .meanSquare(), site: "weight")
    }
  }

  @Test("negative values under an unsigned format are an error")
  func unsigned() throws {
    var observer = try RangeObserver(.meanSquare(), site: "relu")
    try observer.observe(Tensor([2], elements: [-0.5, 1]))
    let error = #expect(throws: RangeError.self) {
      try observer.range(for: .tensor(IntegerFormat.uint8))
    }
    #expect(
      error?.description
        == "relu: values reach down to -0.5, and uint8 has none below 0; "
        + "use a signed format or 'symmetric: false'")
    #expect(throws: Never.self) {
      try observer.range(for: .tensor(IntegerFormat.uint8, isSymmetric: false))
    }
  }

  @Test("batch norm watches no values")
  func batchNorm() {
    #expect(throws: RangeError.self) { try RangeObserver(.batchNorm()) }
  }

  @Test("splitting a stream into batches changes nothing for a known limit of methods")
  func batches() throws {
    var stream = RandomStream(seed: 30)
    var all = stream.normal([64, 16]).elements
    all[0] = 5  // the largest value comes first, so both histograms have one width
    let x = Tensor([64, 16], elements: all)
    for method in Self.methods where method.description.hasPrefix("moving") == false {
      var whole = try RangeObserver(method)
      var parts = whole
      try whole.observe(x)
      for start in stride(from: 0, to: 64, by: 16) {
        try parts.observe(x.sliced(axis: 0, start..<start + 16))
      }
      #expect(whole == parts)
    }
  }
}
