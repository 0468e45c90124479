import Foundation
public import GyroModels
public import GyroTensors

/// What was written, tensor by tensor, measured against what was trained.
public struct ExportReport: Sendable, Codable, Equatable {
  /// One tensor of the model.
  public struct Entry: Sendable, Codable, Equatable {
    public let path: String
    public let shape: [Int]
    /// What it became, e.g. `Q4_0` or `pack-quantized int4 group-32`.
    public let storage: String
    public let byteCount: Int
    /// Signal over noise of the stored numbers, in decibels; nil when they are the trained ones, bit
    /// for bit.
    public let signalToNoise: Double?

    enum CodingKeys: String, CodingKey {
      case path, shape, storage
      case byteCount = "bytes"
      case signalToNoise = "signal_to_noise_db"
    }
  }

  /// The exporter's name.
  public let format: String
  public private(set) var entries: [Entry] = []
  /// What the user should know: demands left to the runtime, and why.
  public var notes: [String] = []
  /// The files written, without their folder.
  public var files: [String] = []
  /// The scheme's fingerprint, as it stands in the file; nil for a float model.
  public var fingerprint: String?

  public init(format: String, fingerprint: String? = nil) {
    self.format = format
    self.fingerprint = fingerprint
  }

  /// Bytes of all tensors.
  public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }

  /// Whether every number is the trained one.
  public var isExact: Bool { entries.allSatisfy { $0.signalToNoise == nil } }

  /// Adds a tensor, comparing what is stored with what was trained.
  ///
  /// - Parameter stored: the numbers a reader of the file decodes; nil when they are `trained` by
  ///   construction.
  public mutating func add(
    _ path: ParameterPath, _ storage: String, byteCount: Int, trained: Tensor,
    stored: Tensor? = nil
  ) {
    entries.append(
      Entry(
        path: path.name, shape: trained.shape.dimensions, storage: storage, byteCount: byteCount,
        signalToNoise: stored.flatMap { Self.signalToNoise(trained, $0) }))
  }

  /// Refuses a file whose numbers are not the trained ones, unless that is allowed.
  /// - Throws: ``ExportError/lossy(format:path:storage:signalToNoise:count:)`` naming the worst.
  public func check(_ options: ExportOptions) throws(ExportError) {
    guard !options.allowsLoss else { return }
    let lossy = entries.filter { $0.signalToNoise != nil }
    guard let worst = lossy.min(by: { $0.signalToNoise! < $1.signalToNoise! }) else { return }
    throw .lossy(
      format: format, path: worst.path, storage: worst.storage,
      signalToNoise: worst.signalToNoise!, count: lossy.count)
  }

  /// In decibels; nil when all elements have the same bits (or compare equal, as ±0 do).
  static func signalToNoise(_ trained: Tensor, _ stored: Tensor) -> Double? {
    precondition(trained.count == stored.count, "ExportReport: \(trained.shape), \(stored.shape)")
    var (signal, noise) = (0.0, 0.0)
    var place = 0
    stored.withElements { stored in
      trained.forEachPiece { piece in
        for element in piece {
          let value = Double(element)
          let error = value - Double(stored[place])
          signal += value * value
          noise += error * error
          place += 1
        }
      }
    }
    // A stored NaN compares with nothing, so it must not pass for exact.
    if noise == 0 { return nil }
    return noise.isFinite && signal > 0 ? max(10 * log10(signal / noise), -999) : -999
  }
}
