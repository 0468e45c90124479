import Foundation
import GyroCheckpoints
import GyroTensors
import TestSupport
import Testing

@Suite("Atomic files and folder locks")
struct AtomicFileTests {
  private func content(_ url: URL) throws -> String { try String(contentsOf: url, encoding: .utf8) }

  @Test("A file changes only when the new content is committed")
  func replacing() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x.json")
      try AtomicFile.write("one", to: url)
      do {
        let file = try AtomicFile(replacing: url)
        try file.write(Array("two".utf8))
        #expect(try content(url) == "one")
      }
      #expect(try content(url) == "one")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["x.json"])
      try AtomicFile.write("three", to: url)
      #expect(try content(url) == "three")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["x.json"])
    }
  }

  @Test("A temporary left by a killed process is reused; links and permissions are kept")
  func leftovers() throws {
    try inTemporaryFolder { folder in
      let url = folder.appendingPathComponent("x")
      let link = folder.appendingPathComponent("link")
      try Data("much longer than the new content".utf8)
        .write(to: folder.appendingPathComponent(".x.partial"))
      try AtomicFile.write("old", to: url)
      #expect(try content(url) == "old")
      #expect(chmod(url.path, 0o640) == 0)
      #expect(symlink("x", link.path) == 0)
      try AtomicFile.write("new", to: link)
      #expect(try content(url) == "new")
      var status = stat()
      #expect(stat(url.path, &status) == 0 && status.st_mode & 0o777 == 0o640)
      #expect(lstat(link.path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    }
  }

  @Test("What cannot be written is an error with the reason")
  func refusals() throws {
    try inTemporaryFolder { folder in
      let nowhere = folder.appendingPathComponent("none/x")
      #expect(
        throws: FileError.unwritable(path: nowhere.path, reason: "No such file or directory")
      ) { try AtomicFile.write("x", to: nowhere) }
      #expect(throws: FileError.self) { try AtomicFile.write("x", to: folder) }
      #expect(throws: FileError.self) {
        try AtomicFile.write("x", to: URL(fileURLWithPath: "/dev/null"))
      }
    }
  }

  @Test("Writers of the same file take turns; the content is always one of theirs")
  func concurrentWriters() async throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: url) }
    await withTaskGroup(of: Void.self) { group in
      for writer in 0..<8 {
        group.addTask {
          for _ in 0..<5 {
            do {
              try AtomicFile.write(String(repeating: "\(writer)", count: 10_000), to: url)
            } catch {
              Issue.record("\(error)")
            }
          }
        }
      }
    }
    let text = try content(url)
    #expect(text.count == 10_000 && Set(text).count == 1)
  }

  @Test(
    "When the disk refuses more, the previous checkpoint stays whole and nothing is left behind")
  func fullDisk() async {
    await #expect(processExitsWith: .success) {
      // A limit on the size of files stands in for a full disk; only this process is limited.
      try inTemporaryFolder { folder in
        let url = folder.appendingPathComponent("model.safetensors")
        var writer = SafetensorsWriter()
        writer.add("w", Tensor([1000], repeating: 1))
        try writer.write(to: url)
        let before = try Data(contentsOf: url)

        signal(SIGXFSZ, SIG_IGN)
        var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
        precondition(setrlimit(__rlimit_resource_t(1), &limit) == 0)
        writer.add("v", Tensor([1_000_000], repeating: 2), as: .bfloat16)
        do {
          try writer.write(to: url)
          preconditionFailure("the limit did not bite")
        } catch let error as FileError {
          precondition(error == .unwritable(path: url.path, reason: "File too large"), "\(error)")
        }
        let after = try Data(contentsOf: url)
        precondition(after == before)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        precondition(names == ["model.safetensors"], "\(names)")
      }
    }
  }

  @Test("A second run into a folder is told who works there; a finished one frees it")
  func lock() throws {
    try inTemporaryFolder { folder in
      var first: DirectoryLock? = try DirectoryLock(folder, now: Date(timeIntervalSince1970: 0))
      let inUse = FileError.directoryInUse(
        path: folder.path, process: Int(getpid()), since: "1970-01-01T00:00:00Z")
      #expect(throws: inUse) { try DirectoryLock(folder) }
      #expect(
        inUse.description
          == "Expected \(folder.path) to be free, but process \(getpid()) has been using it since "
          + "1970-01-01T00:00:00Z. Wait for it, end it, or choose another folder.")
      #expect(first?.directory == folder)
      first = nil
      _ = try DirectoryLock(folder)
      #expect(throws: FileError.self) { try DirectoryLock(folder.appendingPathComponent("none")) }
    }
  }

  @Test("A folder is free as soon as its lock is dropped, even while a child holds the file open")
  func lockSharedWithChild() throws {
    try inTemporaryFolder { folder in
      var lock: DirectoryLock? = try DirectoryLock(folder)
      // What a process that is being started inherits until it has its own program.
      let inherited = (3..<1024).map(Int32.init).first { descriptor in
        let link = try? FileManager.default.destinationOfSymbolicLink(
          atPath: "/proc/self/fd/\(descriptor)")
        return link == folder.resolvingSymlinksInPath().appendingPathComponent(".gyro-lock").path
      }
      let copy = dup(try #require(inherited))
      defer { close(copy) }
      #expect(lock != nil)
      lock = nil
      _ = try DirectoryLock(folder)
    }
  }
}
