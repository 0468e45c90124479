public import Foundation
public import GyroTensors

/// Gray images and the class of each.
public struct ImageSet: Sendable {
  /// `[N, 1, height, width]`: pixels from 0 to 1, less `mean`, divided by `deviation`.
  public let images: Tensor
  /// `N` classes, from 0.
  public let labels: [Int32]
  /// The value of a black pixel.
  public let background: Float

  /// - Parameter background: the value of pixels outside an image when it is shifted.
  public init(images: Tensor, labels: [Int32], background: Float = 0) {
    precondition(
      images.shape.rank == 4 && images.shape[0] == labels.count,
      "ImageSet: images \(images.shape) and \(labels.count) labels; expected [N, 1, height, width]")
    self.images = images
    self.labels = labels
    self.background = background
  }

  /// Reads images and labels in the IDX format (see ``IDXFile``).
  ///
  /// - Parameters:
  ///   - mean: subtracted from pixels that go from 0 to 1 (0.1307 is MNIST's mean).
  ///   - deviation: divides them afterwards (0.3081 is MNIST's).
  /// - Throws: ``DatasetError`` when a file is not what it should be, empty, or the counts differ.
  public init(
    images imageFile: URL, labels labelFile: URL, mean: Float = 0, deviation: Float = 1
  ) throws(DatasetError) {
    let pixels = try IDXFile(contentsOf: imageFile, axes: 3)
    let classes = try IDXFile(contentsOf: labelFile, axes: 1)
    guard pixels.dimensions[0] == classes.dimensions[0] else {
      throw .countMismatch(images: pixels.dimensions[0], labels: classes.dimensions[0])
    }
    guard !pixels.bytes.isEmpty else {
      throw .malformedFile(
        path: imageFile.path, expected: "images", found: "extents \(pixels.dimensions)")
    }
    let levels = (0..<256).map { (Float($0) / 255 - mean) / deviation }
    let shape = Shape([pixels.dimensions[0], 1, pixels.dimensions[1], pixels.dimensions[2]])
    let images = Tensor.filled(shape) { pointer in
      for place in 0..<pixels.bytes.count { pointer[place] = levels[Int(pixels.bytes[place])] }
    }
    self.init(images: images, labels: classes.bytes.map { Int32($0) }, background: levels[0])
  }

  /// Number of images.
  public var count: Int { labels.count }

  /// One more than the largest label.
  public var classCount: Int { Int(labels.max() ?? -1) + 1 }

  /// Some of the images, in the same order. No copy of the pixels.
  public subscript(range: Range<Int>) -> ImageSet {
    ImageSet(
      images: images.sliced(axis: 0, range), labels: Array(labels[range]), background: background)
  }

  /// Endless shuffled batches for training.
  ///
  /// - Parameters:
  ///   - size: images per batch.
  ///   - seed: decides order and shifts.
  ///   - maximumShift: moves every image by a random number of pixels, at most this many, along
  ///     both axes; what moves in is background.
  public func batches(size: Int, seed: UInt64, maximumShift: Int = 0) -> ShuffledImageBatches {
    ShuffledImageBatches(self, size: size, seed: seed, maximumShift: maximumShift)
  }

  /// Batches in order, each image once, for evaluation; the last may be smaller.
  public func sequentialBatches(size: Int) -> [ImageBatch] {
    stride(from: 0, to: count, by: size).map { start in
      let range = start..<min(start + size, count)
      return ImageBatch(
        images: images.sliced(axis: 0, range), labels: Array(labels[range]))
    }
  }
}

/// Images `[batch, 1, height, width]` and their classes.
public struct ImageBatch: Sendable {
  public let images: Tensor
  public let labels: [Int32]
}

/// Endless batches of images. Every epoch visits all images once in a fresh random order. Batch `k`
/// follows from the seed and `k` alone.
public struct ShuffledImageBatches: Sendable, Sequence {
  private let set: ImageSet
  private let order: EpochOrder
  private let shifts: RandomStream
  private let size: Int, maximumShift: Int

  init(_ set: ImageSet, size: Int, seed: UInt64, maximumShift: Int) {
    precondition(
      size > 0 && maximumShift >= 0, "ImageSet.batches: size \(size), shift \(maximumShift)")
    let root = RandomStream(seed: seed)
    self.set = set
    self.size = size
    self.maximumShift = maximumShift
    order = EpochOrder(count: set.count, stream: root.derived("images"))
    shifts = root.derived("image shifts")
  }

  /// Batches after which every image was seen at least once.
  public var batchesPerEpoch: Int { (set.count + size - 1) / size }

  /// Batch number `index`, 0 or more.
  public subscript(index: Int) -> ImageBatch {
    precondition(index >= 0, "ShuffledImageBatches: there is no batch \(index)")
    let positions = Array(index * size..<(index + 1) * size)
    let picked = positions.map { order[$0] }
    let height = set.images.shape[2]
    let width = set.images.shape[3]
    let channels = set.images.shape[1]
    let planes = channels * height * width
    let images = Tensor.filled([size, channels, height, width]) { target in
      set.images.withElements { source in
        for (place, item) in picked.enumerated() {
          let from = source + item * planes
          let to = target + place * planes
          if maximumShift == 0 {
            to.update(from: from, count: planes)
            continue
          }
          var stream = shifts.derived("position", positions[place])
          let right = stream.integer(below: 2 * maximumShift + 1) - maximumShift
          let down = stream.integer(below: 2 * maximumShift + 1) - maximumShift
          to.update(repeating: set.background, count: planes)
          let columns = Swift.max(right, 0)..<Swift.max(width + Swift.min(right, 0), right, 0)
          for row in 0..<channels * height {
            let origin = row % height - down
            guard origin >= 0, origin < height else { continue }
            (to + row * width + columns.lowerBound).update(
              from: from + (row - down) * width + columns.lowerBound - right, count: columns.count)
          }
        }
      }
    }
    return ImageBatch(images: images, labels: picked.map { set.labels[$0] })
  }

  /// All batches from number 0 on, without end.
  public func makeIterator() -> AnyIterator<ImageBatch> {
    var next = 0
    return AnyIterator {
      defer { next += 1 }
      return self[next]
    }
  }
}
