public import Foundation
public import GyroCheckpoints

/// Pictures of studies as files.
public enum StudyPicture {
  /// A picture of a run and the name of its file without the ending.
  struct Saved: Equatable, Sendable {
    let name: String
    let svg: String
  }

  /// Writes the text of a picture, whole or not at all.
  public static func write(_ svg: String, to file: URL) throws(FileError) {
    try AtomicFile.write(Array(svg.utf8), to: file)
  }
}
