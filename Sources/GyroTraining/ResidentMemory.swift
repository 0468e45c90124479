import Foundation

/// The physical memory of this process, from `/proc/self/status`, in bytes; 0 where there is none.
public enum ResidentMemory {
  /// Memory in use now (`VmRSS`).
  public static var current: Int { value(of: "VmRSS:") }

  /// The most memory ever in use (`VmHWM`).
  public static var peak: Int { value(of: "VmHWM:") }

  private static func value(of key: String) -> Int {
    guard let text = contents("/proc/self/status"),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix(key) })
    else { return 0 }
    let fields = line.dropFirst(key.count).split(whereSeparator: { $0 == " " || $0 == "\t" })
    return (fields.first.flatMap { Int($0) } ?? 0) * 1024
  }

  /// Files below /proc have no size, so they are read until they end.
  private static func contents(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(descriptor, &piece, piece.count)
      guard count > 0 else { break }
      bytes += piece[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
