import GyroModels
import GyroQuantization
import GyroTensors

/// Compares two copies of one tensor: codes as the numbers they stand for, scales and values bit for
/// bit.
struct LayerComparison {
  let path: ParameterPath
  let found, expected: ShippedModel
  let promise: Fidelity?

  /// All weights and tables of a model, then everything else it keeps.
  /// - Throws: `ExportError.malformed` when tensors are missing or of another shape.
  static func layers(
    of found: ShippedModel, against expected: ShippedModel?, _ promises: [ParameterPath: Fidelity]
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
        LayerComparison(path: path, found: found, expected: reference, promise: promises[path])
          .layer)
    }
    return layers
  }

  private var layer: Verification.Layer {
    let (mine, theirs) = (found.parameters[path], expected.parameters[path])
    var (differing, largest, reach) = (0, 0.0, 0.0)
    mine.withElements { mine in
      theirs.withElements { theirs in
        for place in 0..<found.parameters[path].count {
          let (a, b) = (mine[place], theirs[place])
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
      values: differing, largest: relative, promised: promise?.description,
      passes: passes(differing, codes?.codes ?? 0, relative))
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
    let (a, b) = (mine.levels, theirs.levels)
    let codes = zip(a, b).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
    let (s, t) = (mine.scalePerElement, theirs.scalePerElement)
    let scales = zip(s, t).reduce(0) { $0 + ($1.0.bitPattern == $1.1.bitPattern ? 0 : 1) }
    return (codes, scales)
  }
}

extension QuantizedTensor {
  /// What each code stands for before its scale: the format's number, minus the zero point if there
  /// is one. Formats that hold one another's numbers have equal levels.
  var levels: [Float] {
    let zeroPoints = scales.zeroPoints?.elements
    let decoded = (0..<256).map { code in
      isSymmetric ? format.decode(UInt8(code)) : Float(code & ((1 << format.bits) - 1))
    }
    let groups = groupPerElement
    let codes = codeArray
    return codes.indices.map { place in
      decoded[Int(codes[place])] - (zeroPoints?[groups(place)] ?? 0)
    }
  }

  /// The scale of each element, both levels of two-level scales multiplied.
  var scalePerElement: [Float] {
    let groups = groupPerElement
    let all = scales.scales.elements
    return (0..<count).map { all[groups($0)] }
  }

  /// The group that the element at a place belongs to.
  private var groupPerElement: (Int) -> Int {
    if case .block(let rows, let columns) = granularity {
      let width = shape.columns
      let across = width / columns
      return { ($0 / width) / rows * across + ($0 % width) / columns }
    }
    let length = max(count / max(scales.scales.count, 1), 1)
    return { $0 / length }
  }
}
