import GyroModels
import GyroRotation
import GyroTensors
import TestSupport
import Testing

@Suite("The outlier twin")
struct OutlierTwinTests {
  private func windows(_ sample: Sample) -> [[Int32]] {
    (0..<4).map { sample.tokens(24, seed: 50 + UInt64($0)) }
  }

  @Test("computes what the model computes", arguments: Family.samples)
  func equivalent(sample: Sample) throws {
    let (configuration, twin, report) = try OutlierTwin(strength: 20, seed: 1).applied(
      to: sample.configuration, sample.parameters, calibratingOn: windows(sample))
    let tokens = sample.tokens(16)
    let turned = Sample(name: "", configuration: configuration, parameters: twin)
    #expect(distance(sample.logits(tokens), turned.logits(tokens)) < 1e-4)
    #expect(report.logits < 1e-4)
    #expect(report.tokens == 96)
    #expect(report.entries.count == 6 * configuration.layers + 1)
  }

  @Test("lifts one channel or more of every head and block to the strength asked for")
  func strength() throws {
    let sample = Family.sample("wide") {
      $0.hidden = 32
      $0.headSize = 16
      $0.heads = 2
      $0.keyValueHeads = 1
      $0.feedForward = 100
    }
    for strength in [8.0, 20] {
      let report = try OutlierTwin(strength: strength).applied(
        to: sample.configuration, sample.parameters, calibratingOn: windows(sample)
      ).report
      for entry in report.entries {
        let name = entry.site.name
        if name.hasSuffix("values") || name.hasSuffix("down_proj.input") {
          #expect(abs(entry.after.peak / strength - 1) < 0.05, "\(entry)")
          #expect(entry.after.kurtosis > entry.before.kurtosis)
        } else if name.hasSuffix("keys") {
          #expect(entry.after.peak > 0.7 * strength && entry.after.peak < 1.6 * strength)
        }
      }
      let scalings = try #require(report.rotations.last?.scalings)
      for layer in 0..<2 {
        #expect(scalings.keys![layer].filter { $0 != 1 }.count == 1)
        #expect(scalings.values![layer].filter { $0 != 1 }.count == 1)
        #expect(scalings.feedForward![layer].filter { $0 != 1 }.count == 2)
      }
    }
  }

  @Test("follows from the seed")
  func seeds() throws {
    let sample = Family.samples[1]
    func twin(_ seed: UInt64) throws -> ParameterStore {
      try OutlierTwin(seed: seed).applied(
        to: sample.configuration, sample.parameters, calibratingOn: windows(sample)
      ).parameters
    }
    let (first, again, other) = (try twin(1), try twin(1), try twin(2))
    for path in first.paths { expectSameBits(first[path], again[path], path.name) }
    let path: ParameterPath = "model.layers.0.mlp.down_proj.weight"
    #expect(first[path].sumOfSquaredDifferences(from: other[path]) > 1e-3)
  }

  @Test("is named the twin wherever it is reported")
  func label() throws {
    let sample = Family.samples[0]
    let report = try OutlierTwin(strength: 20, seed: 7).applied(
      to: sample.configuration, sample.parameters, calibratingOn: windows(sample)
    ).report
    #expect(report.description.hasPrefix("outlier twin (strength 20.0, seed 7): computes what "))
  }

  @Test("refuses windows the model cannot read")
  func badWindows() throws {
    let sample = Family.samples[0]
    func words(_ windows: [[Int32]]) -> String {
      do {
        _ = try OutlierTwin().applied(
          to: sample.configuration, sample.parameters, calibratingOn: windows)
        return "no error"
      } catch {
        return error.description
      }
    }
    #expect(
      words([])
        == "calibration windows: there are none; give a few thousand tokens of text")
    #expect(
      words([[1, 2], .init(repeating: 0, count: 33)])
        == "calibration windows: window 1 has 33 tokens; use windows of 1 … 32 tokens, the model's "
        + "context")
    #expect(
      words([[1, 40]])
        == "calibration windows: window 0 holds token 40; use the model's own tokenizer, of 40 "
        + "tokens")
  }
}
