import Foundation
import GyroCheckpoints
import GyroManifolds
import GyroModels
import GyroRotation
import GyroTensors
import Testing

@Suite("Rotations in a file")
struct RotationArchiveTests {
  private let sample = Family.samples[1]

  @Test("come back bit for bit through safetensors", arguments: Family.samples)
  func roundTrip(sample: Sample) throws {
    let (configuration, parameters) = try RotationPreparation.prepared(
      sample.configuration, sample.parameters)
    var rotations = try LlamaRotations.random(.learned, configuration)
    rotations.keys = HadamardTransform(size: configuration.headSize, signSeed: 5)
    let fingerprint = try ModelFingerprint.of(configuration, parameters)
    let archive = rotations.archived(for: fingerprint)
    var writer = SafetensorsWriter(metadata: archive.metadata)
    for (name, matrix) in archive.matrices.sorted(by: { $0.key < $1.key }) {
      writer.add(
        name, shape: [matrix.rows, matrix.columns], type: .float64,
        bytes: RotationArchive.bytes(of: matrix))
    }
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("rotations-\(UUID().uuidString).safetensors")
    defer { try? FileManager.default.removeItem(at: url) }
    try writer.write(to: url)
    let file = try SafetensorsFile(contentsOf: url)
    var read: [String: Matrix64] = [:]
    for entry in file.entries {
      read[entry.name] = try RotationArchive.matrix(
        rows: entry.shape[0], columns: entry.shape[1], bytes: file.bytes(entry.name),
        named: entry.name)
    }
    let again = RotationArchive(matrices: read, metadata: file.metadata)
    #expect(try LlamaRotations(again, for: fingerprint) == rotations)
  }

  @Test("parts that are absent stay absent")
  func parts() throws {
    for rotations in [
      LlamaRotations(), LlamaRotations(residual: .identity(3)),
      LlamaRotations(feedForward: HadamardTransform(size: 24)),
      LlamaRotations(scalings: LlamaScalings(values: [[1, 2], [3, 4]])),
    ] {
      #expect(try LlamaRotations(rotations.archived(for: "x"), for: "x") == rotations)
    }
  }

  @Test("belong to one model: both fingerprints are printed")
  func fingerprints() throws {
    let archive = LlamaRotations(residual: .identity(16)).archived(for: "0123456789abcdef")
    #expect(
      throws: RotationError.fingerprint(expected: "fedcba9876543210", got: "0123456789abcdef")
    ) { try LlamaRotations(archive, for: "fedcba9876543210") }
    #expect(
      RotationError.fingerprint(expected: "fedcba9876543210", got: "0123456789abcdef").description
        == "the rotations were made for the model 0123456789abcdef, this is the model "
        + "fedcba9876543210; learn rotations for this model, or load the checkpoint they belong to")
  }

  @Test("a fingerprint is that of the prepared model too, and changes with any weight")
  func fingerprintOfModel() throws {
    for sample in Family.samples {
      let own = try ModelFingerprint.of(sample.configuration, sample.parameters)
      let (configuration, prepared) = try RotationPreparation.prepared(
        sample.configuration, sample.parameters)
      #expect(try ModelFingerprint.of(configuration, prepared) == own)
      #expect(own.count == 16)
      var other = sample.parameters
      other.update("model.layers.1.mlp.down_proj.weight") {
        $0.withMutableElements { $0[7] = $0[7].nextUp }
      }
      #expect(try ModelFingerprint.of(sample.configuration, other) != own)
      var base = sample.configuration
      base.rotaryBase = 500
      #expect(try ModelFingerprint.of(base, sample.parameters) != own)
    }
  }

  @Test("files that are something else")
  func damaged() throws {
    func words(_ change: (inout RotationArchive) -> Void) -> String {
      var archive = LlamaRotations(
        residual: .identity(2), feedForward: HadamardTransform(size: 4)
      ).archived(for: "m")
      change(&archive)
      do {
        _ = try LlamaRotations(archive, for: "m")
        return "no error"
      } catch {
        return error.description
      }
    }
    #expect(words { _ in } == "no error")
    #expect(
      words { $0.metadata["format"] = nil }
        == "rotations file: 'format' should be gyro-rotations-1, got nothing; write it again with "
        + "this version")
    #expect(
      words { $0.metadata["r4"] = "{}" }
        == "rotations file: 'r4' does not describe a Hadamard transform; write it again with this "
        + "version")
    #expect(
      words { $0.matrices["r9"] = .identity(2) }
        == "rotations file: 'r9' is not known here; write it again with this version")
    #expect(throws: RotationError.file(key: "r1", problem: "should hold 32 bytes of F64, got 8")) {
      try RotationArchive.matrix(
        rows: 2, columns: 2, bytes: .init(repeating: 0, count: 8), named: "r1")
    }
  }
}
