public import Foundation

/// A file of unsigned bytes in the IDX format of the MNIST database, plain or compressed by gzip:
/// `0, 0, 8, number of axes | one big-endian u32 per axis | the bytes in row-major order`.
public struct IDXFile: Sendable {
  /// The extents, outermost first.
  public let dimensions: [Int]
  /// The elements.
  public let bytes: [UInt8]

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - axes: how many axes it must have: 3 for images, 1 for labels.
  ///   - maximumByteCount: more elements are refused, so that a small compressed file cannot fill
  ///     the memory.
  /// - Throws: ``DatasetError`` when it cannot be read, is of another kind, cut short, too long or
  ///   damaged.
  public init(
    contentsOf url: URL, axes: Int, maximumByteCount: Int = 1 << 30
  ) throws(DatasetError) {
    let path = url.path
    func malformed(_ expected: String, _ found: String) -> DatasetError {
      .malformedFile(path: path, expected: expected, found: found)
    }
    var source = Source(try fileBytes(url))
    let magic = try source.read(4, path)
    guard magic == [0, 0, 8, UInt8(axes)] else {
      throw malformed(
        "the IDX magic bytes [0, 0, 8, \(axes)]",
        magic.count < 4 ? "\(magic.count) bytes" : "\(magic)")
    }
    var dimensions: [Int] = []
    var count = 1
    for _ in 0..<axes {
      let extent = try source.read(4, path)
      guard extent.count == 4 else { throw malformed("\(axes) extents", "the end of the file") }
      dimensions.append(extent.reduce(0) { $0 << 8 | Int($1) })
      count *= dimensions[dimensions.count - 1]  // no overflow: both factors are bounded
      guard count <= maximumByteCount else {
        throw malformed("at most \(maximumByteCount) elements", "extents \(dimensions)")
      }
    }
    bytes = try source.read(count, path)
    guard bytes.count == count else {
      throw malformed("\(count) elements for extents \(dimensions)", "\(bytes.count)")
    }
    guard try source.read(1, path).isEmpty else {
      throw malformed("\(count) elements for extents \(dimensions)", "more")
    }
    self.dimensions = dimensions
  }

  /// Bytes from the beginning on, inflated when the file is compressed.
  private enum Source {
    case plain(ArraySlice<UInt8>)
    case gzip(GzipReader)

    init(_ bytes: [UInt8]) {
      self = bytes.starts(with: [0x1F, 0x8B]) ? .gzip(GzipReader(bytes)) : .plain(bytes[...])
    }

    mutating func read(_ count: Int, _ path: String) throws(DatasetError) -> [UInt8] {
      switch self {
      case .plain(let rest):
        self = .plain(rest.dropFirst(count))
        return Array(rest.prefix(count))
      case .gzip(let reader):
        do {
          return try reader.read(count)
        } catch {
          throw .malformedFile(
            path: path, expected: "whole gzip data",
            found: error == .truncated ? "their beginning only" : "damaged ones")
        }
      }
    }
  }
}
