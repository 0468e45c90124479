import CZlib
import Foundation
import GyroDatasets
import GyroTensors
import TestSupport
import Testing

/// `bytes` as one member of gzip data.
private func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var stream = z_stream()
  deflateInit2_(
    &stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
    Int32(MemoryLayout<z_stream>.size))
  defer { deflateEnd(&stream) }
  var input = bytes
  var output = [UInt8](repeating: 0, count: bytes.count + 1000)
  let count = input.withUnsafeMutableBufferPointer { source in
    output.withUnsafeMutableBufferPointer { target in
      stream.next_in = source.baseAddress
      stream.avail_in = UInt32(source.count)
      stream.next_out = target.baseAddress
      stream.avail_out = UInt32(target.count)
      precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
      return target.count - Int(stream.avail_out)
    }
  }
  return Array(output[..<count])
}

private func idx(_ dimensions: [UInt32], _ data: [UInt8]) -> [UInt8] {
  [0, 0, 8, UInt8(dimensions.count)]
    + dimensions.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) } + data
}

@Suite("IDX files")
struct IDXFileTests {
  private let data = (0..<24).map { UInt8($0) }

  private func read(_ bytes: [UInt8], axes: Int = 3, maximum: Int = 1000) throws -> IDXFile {
    var file: IDXFile?
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("f")
      try Data(bytes).write(to: url)
      file = try IDXFile(contentsOf: url, axes: axes, maximumByteCount: maximum)
    }
    return file!
  }

  private func complaint(_ bytes: [UInt8], maximum: Int = 1000) -> String {
    do {
      _ = try read(bytes, maximum: maximum)
      return "no error"
    } catch { return "\(error)" }
  }

  @Test("Plain and compressed files give the same, also in several gzip members")
  func reading() throws {
    let plain = idx([2, 3, 4], data)
    let members = gzip(Array(plain.prefix(9))) + gzip(Array(plain.dropFirst(9)))
    for content in [plain, gzip(plain), members] {
      let file = try read(content)
      #expect(file.dimensions == [2, 3, 4])
      #expect(file.bytes == data)
    }
  }

  @Test("Wrong magic, wrong lengths and damaged compression are refused")
  func broken() {
    let plain = idx([2, 3, 4], data)
    #expect(complaint(idx([24], data)).contains("expected the IDX magic bytes [0, 0, 8, 3], found"))
    #expect(complaint(Array("<html>".utf8)).contains("the IDX magic bytes"))
    #expect(complaint([]).contains("found 0 bytes"))
    #expect(complaint(Array(plain.prefix(10))).contains("3 extents"))
    #expect(
      complaint(Array(plain.dropLast())).contains("24 elements for extents [2, 3, 4], found 23"))
    #expect(complaint(plain + [0]).contains("found more"))
    #expect(complaint(gzip(plain + [0])).contains("found more"))
    #expect(complaint(gzip(Array(plain.dropLast()))).contains("found 23"))
    let packed = gzip(plain)
    for length in 2..<packed.count {
      #expect(complaint(Array(packed.prefix(length))).contains("their beginning only"))
    }
    var damaged = packed
    damaged[packed.count - 5] ^= 1  // the checksum
    #expect(complaint(damaged).contains("damaged"))
    #expect(complaint(packed + [1, 2, 3]).contains("gzip"))
  }

  @Test("Neither stated nor inflated sizes make it allocate without bound")
  func hostileSizes() {
    let huge = idx([.max, .max, .max], data)
    #expect(complaint(huge).contains("at most 1000 elements"))
    #expect(complaint(gzip(huge)).contains("at most 1000 elements"))
    #expect(complaint(idx([0, .max, .max], [])) == "no error")
    #expect(complaint(idx([1 << 20, 1 << 10, 1], data), maximum: 1 << 30).contains("found 24"))
    let bomb = gzip(idx([2, 3, 4], [UInt8](repeating: 0, count: 10_000_000)))
    #expect(complaint(bomb).contains("found more"))
  }
}

@Suite("Image sets")
struct ImageSetTests {
  /// Every pixel tells its image and place.
  private func numbered(_ count: Int, side: Int = 4) -> ImageSet {
    let pixels = side * side
    return ImageSet(
      images: Tensor([count, 1, side, side], elements: (0..<count * pixels).map { Float($0 + 1) }),
      labels: (0..<count).map { Int32($0) })
  }

  @Test("Files become pixels from 0 to 1, or normalized ones, with their labels")
  func files() throws {
    try inTemporaryFolder { folder in
      let images = folder.appendingPathComponent("i")
      let labels = folder.appendingPathComponent("l")
      try Data(idx([2, 1, 2], [0, 255, 51, 102])).write(to: images)
      try Data(gzip(idx([2], [3, 1]))).write(to: labels)
      let set = try ImageSet(images: images, labels: labels)
      #expect(set.images.shape == [2, 1, 1, 2])
      #expect(set.images.elements == [0, 1, 0.2, 0.4])
      #expect(set.labels == [3, 1])
      #expect(set.classCount == 4)
      let normalized = try ImageSet(images: images, labels: labels, mean: 0.5, deviation: 0.25)
      #expect(normalized.images.elements.prefix(2) == [-2, 2])
      #expect(normalized.background == -2)
      try Data(idx([3], [3, 1, 2])).write(to: labels)
      #expect(throws: DatasetError.countMismatch(images: 2, labels: 3)) {
        try ImageSet(images: images, labels: labels)
      }
    }
  }

  @Test("A slice keeps images and labels together")
  func slices() {
    let part = numbered(10)[3..<6]
    #expect(part.labels == [3, 4, 5])
    #expect(part.images.shape == [3, 1, 4, 4])
    #expect(part.images[0, 0, 0, 0] == 49)
    #expect(part.sequentialBatches(size: 2).map(\.labels) == [[3, 4], [5]])
    #expect(part.sequentialBatches(size: 2)[1].images[0, 0, 0, 0] == 81)
  }

  @Test("Shuffled batches visit every image once an epoch and follow from seed and number alone")
  func batches() {
    let batches = numbered(10).batches(size: 4, seed: 2)
    let visited = batches.prefix(5).flatMap(\.labels)
    #expect(visited[0..<10].sorted() == (0..<10).map { $0 })
    #expect(visited[10..<20].sorted() == (0..<10).map { $0 })
    #expect(visited[0..<10] != visited[10..<20])
    let fresh = numbered(10).batches(size: 4, seed: 2)
    #expect(fresh[3].labels == Array(visited[12..<16]))
    #expect(numbered(10).batches(size: 4, seed: 3).prefix(5).flatMap(\.labels) != visited)
    for (label, image) in zip(fresh[1].labels, 0..<4) {
      #expect(fresh[1].images[image, 0, 0, 0] == Float(label * 16 + 1))
    }
  }

  @Test("Shifts move whole images within bounds, fill with background, and reach every offset")
  func shifts() {
    let side = 4
    var seen: Set<[Int]> = []
    let batches = numbered(8, side: side).batches(size: 8, seed: 1, maximumShift: 2)
    for batch in batches.prefix(40) {
      for (place, label) in batch.labels.enumerated() {
        func pixel(_ row: Int, _ column: Int) -> Float { batch.images[place, 0, row, column] }
        func original(_ row: Int, _ column: Int) -> Float {
          guard (0..<side).contains(row), (0..<side).contains(column) else { return 0 }
          return Float(Int(label) * side * side + row * side + column + 1)
        }
        let offsets = (-2...2).flatMap { down in (-2...2).map { [down, $0] } }
        let fitting = offsets.filter { offset in
          (0..<side).allSatisfy { row in
            (0..<side).allSatisfy {
              pixel(row, $0) == original(row - offset[0], $0 - offset[1])
            }
          }
        }
        #expect(fitting.count == 1)
        seen.formUnion(fitting)
      }
    }
    #expect(seen.count == 25)
    let again = numbered(8, side: side).batches(size: 8, seed: 1, maximumShift: 2)
    #expect(again[7].images.elements == batches[7].images.elements)
  }

  @Test("Shifts of more than the width leave background only, never memory of others")
  func farShifts() {
    let batches = numbered(2, side: 2).batches(size: 2, seed: 1, maximumShift: 9)
    for batch in batches.prefix(50) {
      for (place, label) in batch.labels.enumerated() {
        let own = Set((0..<4).map { Float(Int(label) * 4 + $0 + 1) } + [0])
        let pixels = batch.images.sliced(axis: 0, place..<place + 1).elements
        #expect(own.isSuperset(of: pixels))
      }
    }
  }

  @Test("Drawn digits: all ten alike in number, within range, the same for the same seed")
  func drawnDigits() {
    let set = DrawnDigits.images(count: 40, seed: 1)
    #expect(set.images.shape == [40, 1, 28, 28])
    #expect(set.labels.prefix(11) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    let elements = set.images.elements
    #expect(elements.allSatisfy { (0...1).contains($0) })
    for image in 0..<40 {
      let pixels = elements[image * 784..<(image + 1) * 784]
      let ink = pixels.reduce(0, +) / 784
      #expect(ink > 0.02 && ink < 0.35, "image \(image) has ink \(ink)")
      let border = pixels.enumerated().filter { place, _ in
        [0, 27].contains(place % 28) || [0, 27].contains(place / 28)
      }
      #expect(border.allSatisfy { $0.element < 0.2 }, "image \(image) touches the border")
    }
    #expect(
      DrawnDigits.images(count: 12, seed: 1).images.elements == Array(elements.prefix(12 * 784)))
    #expect(
      DrawnDigits.images(count: 12, seed: 2).images.elements != Array(elements.prefix(12 * 784)))
    let normalized = DrawnDigits.images(count: 1, seed: 1, mean: 0.5, deviation: 0.5)
    #expect(normalized.background == -1)
    #expect(abs(normalized.images[0, 0, 14, 9] - (elements[14 * 28 + 9] - 0.5) * 2) < 1e-6)
  }

  @Test("An average of drawn digits tells most others apart")
  func recognizable() {
    let known = DrawnDigits.images(count: 400, seed: 1).images.elements
    let others = DrawnDigits.images(count: 100, seed: 2).images.elements
    var means = [[Float]](repeating: [Float](repeating: 0, count: 784), count: 10)
    for image in 0..<400 {
      for pixel in 0..<784 { means[image % 10][pixel] += known[image * 784 + pixel] / 40 }
    }
    let right = (0..<100).filter { image in
      let distances = means.map { mean in
        (0..<784).reduce(Float(0)) { sum, pixel in
          let difference = mean[pixel] - others[image * 784 + pixel]
          return sum + difference * difference
        }
      }
      return distances.indices.min { distances[$0] < distances[$1] } == image % 10
    }
    #expect(right.count > 60)
    #expect(right.count < 100)
  }

  static let mnist = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("shared/data/mnist10k")

  @Test(
    "The MNIST test set reads as published",
    .enabled(if: FileManager.default.fileExists(atPath: mnist.path)))
  func publishedDigits() throws {
    let set = try ImageSet(
      images: Self.mnist.appendingPathComponent("images-idx3-ubyte.gz"),
      labels: Self.mnist.appendingPathComponent("labels-idx1-ubyte.gz"))
    #expect(set.images.shape == [10_000, 1, 28, 28])
    #expect(set.labels.prefix(10) == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
    #expect(set.classCount == 10)
    #expect(set[0..<8000].count == 8000)
  }
}
