import GyroModels
import GyroQuantization
import GyroTensors

/// Compares two copies of one tensor: codes as the numbers they stand for, scales and values bit for
/// bit.
struct LayerComparison {
  let path: ParameterPath
  let found, expected: ShippedModel
  let promise: Fidelity?
  /// The loss that the exporter measured, in decibels of signal over noise.
  let loss: Double?

  /// All weights and tables of a model, then everything else it keeps.
  /// - Throws: `ExportError.malformed` when tensors are missing or of another shape.
  static func layers(
    of found: ShippedModel, against expected: ShippedModel?, _ promises: [ParameterPath: Fidelity],
    _ losses: [String: Double] = [:]
  ) throws(ExportError) -> [Verification.Layer] {
    let reference = expected ?? found
    var layers: [Verification.Layer] = []
    for path in reference.parameters.paths {
      let shape = reference.parameters[path].shape
      guard let own = found.parameters.parameter(at: path), own.shape == shape else {
        throw .malformed(
          file: "the file", place: "tensor '\(path)'", expected: "shape \(shape)",
          found: found.parameters.parameter(at: path).map { "shape \($0.shape)" } ?? "none")
      }
      layers.append(
        LayerComparison(
          path: path, found: found, expected: reference, promise: promises[path],
          loss: losses[path.name]
        ).layer)
    }
    return layers
  }

  private var layer: Verification.Layer {
    let mine = found.parameters[path]
    // A copy keeps what encoded tensors decode to from staying in memory, model-wide.
    let theirs = expected.parameters[path].copied()
    var (differing, largest, reach, place) = (0, 0.0, 0.0, 0)
    theirs.withElements { theirs in
      mine.forEachPiece { piece in
        for a in piece {
          let b = theirs[place]
          place += 1
          reach = max(reach, abs(Double(b)))
          // Comparing bits tells +0 from −0, which no computation does, so zeros are alike.
          if a.bitPattern != b.bitPattern, !(a == 0 && b == 0) {
            differing += 1
            let difference = abs(Double(a) - Double(b))
            largest = difference.isNaN ? .infinity : max(largest, difference)
          }
        }
      }
    }
    let relative = reach > 0 ? largest / reach : largest
    let codes = differingCodes
    return Verification.Layer(
      path: path.name, elements: mine.count, codes: codes?.codes, scales: codes?.scales,
      values: differing, largest: relative, promised: promised,
      passes: loss.map { (ExportReport.signalToNoise(theirs, mine) ?? .infinity) > $0 - 0.1 }
        ?? passes(differing, codes?.codes ?? 0, relative))
  }

  private var promised: String? {
    loss.map { "\(($0 * 10).rounded() / 10) dB signal over noise, as reported" }
      ?? promise?.description
  }

  private func passes(_ values: Int, _ codes: Int, _ relative: Double) -> Bool {
    guard codes == 0 else { return false }
    switch promise {
    case .within(let error, _): return relative <= Double(error) * 1.000001
    case .impossible, .leftToRuntime: return true
    case .exact, nil: return values == 0
    }
  }

  /// Nil where one of the two has no codes.
  private var differingCodes: (codes: Int, scales: Int)? {
    guard let mine = found.codes(at: path), let theirs = expected.codes(at: path) else {
      return nil
    }
    let (ours, others) = (CodeRows(mine), CodeRows(theirs))
    var (codes, scales) = (0, 0)
    for row in 0..<mine.shape.rows {
      let (a, b) = (ours.row(row), others.row(row))
      for column in a.levels.indices {
        if a.levels[column] != b.levels[column] { codes += 1 }
        if a.scales[column].bitPattern != b.scales[column].bitPattern { scales += 1 }
      }
    }
    return (codes, scales)
  }
}

/// What the codes of a tensor stand for, a row at a time.
struct CodeRows {
  private let codes: QuantizedTensor
  private let groups: GroupIndex
  private let numbers: [Float]
  private let scales: [Float]
  private let zeroPoints: [Float]?

  init(_ codes: QuantizedTensor) {
    self.codes = codes
    groups = GroupIndex(codes.granularity, of: codes.shape)
    numbers = codes.numbers
    scales = codes.scales.scales.elements
    zeroPoints = codes.scales.zeroPoints?.elements
  }

  /// Levels: the format's numbers, minus the zero point if there is one; formats that hold one
  /// another's numbers have equal levels. Scales: both of two levels multiplied.
  func row(_ row: Int) -> (levels: [Float], scales: [Float]) {
    let columns = codes.shape.columns
    let line = codes.codePointer + row * columns
    return withExtendedLifetime(codes) {
      let places = (0..<columns).map { groups[row: row, column: $0] }
      return (
        places.indices.map { column in
          numbers[Int(line[column])] - (zeroPoints?[places[column]] ?? 0)
        },
        places.map { scales[$0] }
      )
    }
  }
}
