public import Foundation
import GyroText

/// Finds and reads text files.
public enum TextFiles {
  /// The files that paths and patterns name: for each pattern its matches sorted by path, every
  /// file once.
  ///
  /// - Parameters:
  ///   - patterns: paths in which `*` stands for any characters and `?` for one, within one folder;
  ///     a leading `*` or `?` does not match hidden files.
  ///   - base: what relative paths start from; nil for the current folder.
  /// - Throws: ``DatasetError`` for a pattern that matches no file.
  public static func resolve(
    _ patterns: [String], relativeTo base: URL? = nil
  ) throws(DatasetError) -> [URL] {
    var seen: Set<String> = []
    var files: [URL] = []
    for pattern in patterns {
      for path in try matches(pattern, base) where seen.insert(path).inserted {
        files.append(URL(fileURLWithPath: path))
      }
    }
    return files
  }

  /// The text of a file, which must be UTF-8; a byte order mark at its beginning is left out.
  ///
  /// - Throws: ``DatasetError`` when it cannot be read or is not UTF-8.
  public static func read(_ url: URL) throws(DatasetError) -> String {
    let bytes = try fileBytes(url)
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    guard let text = String(validating: bytes[start...], as: UTF8.self) else {
      throw .invalidUTF8(path: url.path, byte: validPrefix(bytes))
    }
    return text
  }

  /// How many bytes from the beginning are whole UTF-8 scalars.
  private static func validPrefix(_ bytes: [UInt8]) -> Int {
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var length = 0
    while case .valid(let scalar) = parser.parseScalar(from: &iterator) { length += scalar.count }
    return length
  }

  // MARK: Patterns

  private static func matches(
    _ pattern: String, _ base: URL?
  ) throws(DatasetError) -> [String] {
    let manager = FileManager.default
    let root = base?.path ?? manager.currentDirectoryPath
    let path = pattern.hasPrefix("/") ? pattern : root + "/" + pattern
    if isFile(path) { return [path] }  // also a name that happens to contain * or ?

    var found = [""]
    var folder = "/"  // the deepest one that exists, for the error
    let components = path.split(separator: "/").map(String.init)
    for (place, component) in components.enumerated() {
      let isLast = place == components.count - 1
      let isPattern = component.contains { "*?".contains($0) }
      found = found.flatMap { parent -> [String] in
        if !isPattern { return [parent + "/" + component] }
        let names = (try? manager.contentsOfDirectory(atPath: parent + "/")) ?? []
        return names.filter { isMatch(component, $0) }.map { parent + "/" + $0 }
      }
      found = found.filter { isLast ? isFile($0) : isFolder($0) }
      guard let first = found.first else { break }
      if !isLast { folder = first }
    }
    if found.isEmpty {
      if isFolder(path) {
        throw .unreadableFile(
          path: path, reason: "it is a folder; name its files, such as \(pattern)/*")
      }
      let names = ((try? manager.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { !$0.hasPrefix(".") }
      throw .unmatchedPattern(
        pattern: pattern, folder: folder,
        nearest: nearestNames(to: components.last ?? "", among: names))
    }
    return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// Wildcard matching with one place to fall back to.
  private static func isMatch(_ pattern: String, _ name: String) -> Bool {
    let pattern = Array(pattern)
    let name = Array(name)
    if name.first == ".", pattern.first != "." { return false }
    var p = 0
    var n = 0
    var retry: (p: Int, n: Int)?
    while n < name.count {
      if p < pattern.count, pattern[p] == "*" {
        retry = (p + 1, n)
        p += 1
      } else if p < pattern.count, pattern[p] == "?" || pattern[p] == name[n] {
        p += 1
        n += 1
      } else if let place = retry {
        (p, n) = (place.p, place.n + 1)
        retry = (p, n)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == "*" }
  }

  private static func isFile(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && !isFolder.boolValue
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }
}

/// The bytes of a file.
func fileBytes(_ url: URL) throws(DatasetError) -> [UInt8] {
  guard let file = fopen(url.path, "rb") else {
    throw .unreadableFile(path: url.path, reason: String(cString: strerror(errno)))
  }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 1 << 18)
  while true {
    let count = fread(&piece, 1, piece.count, file)
    bytes += piece[..<count]
    if count < piece.count { break }
  }
  if ferror(file) != 0 {
    throw .unreadableFile(path: url.path, reason: String(cString: strerror(errno)))
  }
  return bytes
}
