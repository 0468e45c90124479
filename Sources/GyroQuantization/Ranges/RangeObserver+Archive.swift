public import GyroTensors

extension RangeObserver {
  /// All it has seen, exactly, and its method: what a checkpoint keeps.
  public var archive: [String: Tensor] {
    var result = [
      "method": Self.text(method.description),
      "site": Self.text(site),
      "count": ExactCounts.tensor([count]),
      "extremes": Tensor([2], elements: [lowest, highest]),
    ]
    for (key, tensor) in histogram?.archive ?? [:] { result["histogram." + key] = tensor }
    result["logits"] = logits
    return result
  }

  /// An observer that goes on where an archived one was.
  /// - Throws: `RangeError.archive` naming what is missing or wrong.
  public init(archive: [String: Tensor]) throws(RangeError) {
    let reader = ArchiveReader(archive)
    guard let method = RangeMethod(Self.text(try reader.tensor("method"))) else {
      throw .archive(key: "method", "names no range method")
    }
    try self.init(method, site: Self.text(try reader.tensor("site")))
    let counts = try reader.counts("count")
    guard counts.count == 1 else { throw .archive(key: "count", "is not one number") }
    let extremes = try reader.floats("extremes", count: 2)
    guard extremes.allSatisfy(\.isFinite) else {
      throw .archive(key: "extremes", "holds a value that is not finite")
    }
    restore(
      count: counts[0], lowest: extremes[0], highest: extremes[1],
      histogram: histogram == nil ? nil : try RangeHistogram(archive: reader.part("histogram.")))
    logits = method == .crossEntropy && count > 0 ? try reader.tensor("logits") : nil
    guard logits?.shape.rank ?? 2 == 2 else {
      throw .archive(key: "logits", "is no matrix")
    }
  }

  /// A text as its bytes.
  private static func text(_ text: String) -> Tensor {
    Tensor([text.utf8.count], elements: text.utf8.map(Float.init))
  }

  private static func text(_ tensor: Tensor) -> String {
    String(decoding: tensor.elements.map { UInt8(exactly: $0) ?? 0 }, as: UTF8.self)
  }
}

extension RangeObserver: Equatable {
  public static func == (a: RangeObserver, b: RangeObserver) -> Bool {
    a.method == b.method && a.site == b.site && a.count == b.count
      && a.lowest.bitPattern == b.lowest.bitPattern
      && a.highest.bitPattern == b.highest.bitPattern && a.histogram == b.histogram
      && a.logits?.shape == b.logits?.shape && a.logits?.elements == b.logits?.elements
  }
}
