import CGyroKernels
import GyroQuantization
import GyroTensors
import TestSupport
import Testing

@testable import GyroPostTraining

/// Against optimal brain quantization done plainly, in double precision.
@Suite struct GPTQReferenceTests {
  private let rows = 10, columns = 24

  private func check(
    _ gptq: GPTQ, _ result: GPTQ.Result, _ reference: DenseReference,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let expected = reference.values.map(Float.init)
    expectClose(
      result.codes.tensor.elements, expected, relative: 1e-5, absolute: 1e-5,
      sourceLocation: sourceLocation)
    #expect(
      abs(result.loss - reference.loss) <= 1e-4 * reference.loss, sourceLocation: sourceLocation)
  }

  @Test(arguments: [1, 5, 128]) func anyBlockSizeGivesTheReferencesCodes(_ blockSize: Int) throws {
    let weight = randomWeight(rows, columns, seed: 11)
    let hessian = try hessian(of: correlatedInputs(200, columns, seed: 12))
    let quantizer = try Quantizer(IntegerFormat(bits: 3), .channel)
    let scales = try quantizer.scales(covering: weight).scales.elements
    let gptq = GPTQ(blockSize: blockSize)
    let reference = try DenseReference(
      weight, hessian.matrix, damping: 0.01, order: Array(0..<columns)
    ) { value, row, _, _ in integer(value, Double(scales[row]), -4...3) }
    check(gptq, try gptq.quantized(weight, hessian: hessian, quantizer: quantizer), reference)
  }

  @Test func largestDiagonalFirst() throws {
    let weight = randomWeight(rows, columns, seed: 13)
    var inputs = correlatedInputs(200, columns, seed: 14)
    inputs.withMutableElements { x in for row in 0..<200 { x[row * columns + 4] = 0 } }
    let hessian = try hessian(of: inputs)
    let quantizer = try Quantizer(IntegerFormat(bits: 3), .channel)
    var cleared = weight
    cleared.withMutableElements { w in for row in 0..<rows { w[row * columns + 4] = 0 } }
    let scales = try quantizer.scales(covering: cleared).scales.elements
    var diagonal = hessian.diagonal
    diagonal[4] = 1
    let order = (0..<columns).sorted { diagonal[$0] > diagonal[$1] }
    #expect(order != Array(0..<columns))
    let gptq = GPTQ(blockSize: 9, ordersByActivation: true)
    let reference = try DenseReference(
      weight, hessian.matrix, damping: 0.01, order: order
    ) { value, row, _, _ in integer(value, Double(scales[row]), -4...3) }
    let result = try gptq.quantized(weight, hessian: hessian, quantizer: quantizer)
    #expect(result.order == order)
    check(gptq, result, reference)
  }

  /// Scales of a group follow from its weights as they are when its turn comes, inside a block as
  /// well as across its end.
  @Test(arguments: [5, 8, 16, 128]) func groupsFollowTheUpdatedWeights(_ blockSize: Int) throws {
    let weight = randomWeight(rows, columns, seed: 15)
    let hessian = try hessian(of: correlatedInputs(200, columns, seed: 16))
    let quantizer = try Quantizer(IntegerFormat(bits: 3), .group(8), isSymmetric: false)
    var scale = [Double](repeating: 1, count: rows), zero = scale
    let reference = try DenseReference(
      weight, hessian.matrix, damping: 0.01, order: Array(0..<columns)
    ) { value, row, column, weights in
      if column % 8 == 0 {
        let group = weights[row * columns + column..<row * columns + column + 8]
        let (low, high) = (min(group.min()!, 0), max(group.max()!, 0))
        scale[row] = (high - low) / 7
        zero[row] = (-low / scale[row]).rounded(.toNearestOrEven)
      }
      return integer(value, scale[row], -zero[row]...7 - zero[row])
    }
    let gptq = GPTQ(blockSize: blockSize)
    check(gptq, try gptq.quantized(weight, hessian: hessian, quantizer: quantizer), reference)
  }

  private func integer(_ value: Double, _ scale: Double, _ codes: ClosedRange<Double>) -> Double {
    min(max((value / scale).rounded(.toNearestOrEven), codes.lowerBound), codes.upperBound) * scale
  }

  // MARK: Kernels

  /// Rows that fill tiles, leave some over, and are fewer than one tile.
  @Test(arguments: [1, 63, 64, 200]) func theKernelEqualsItsReferenceBitForBit(_ rows: Int) throws {
    let (inputs, first, begin, end, last) = (40, 4, 6, 20, 30)
    var random = RandomStream(seed: 17)
    let weights = random.normal([inputs, rows]), factor = random.normal([inputs, inputs])
    for quantizer in [
      try Quantizer(IntegerFormat(bits: 4), .channel),
      try Quantizer(IntegerFormat(bits: 3), .channel, isSymmetric: false),
      try Quantizer(Minifloat.e4m3, .channel),
      try Quantizer(FormatNames.format("e2m1")!, .channel, scaleFormat: .e4m3),
      try Quantizer(Codebook.normalFloat4, .channel),
    ] {
      expectSame(
        run(gyro_gptq_columns), run(gyro_reference_gptq_columns), "\(quantizer.format.name)")

      /// The bits of everything that a kernel writes.
      func run(
        _ kernel: (UnsafePointer<gyro_gptq_block>, Int64, Int64, Int64, Int64) -> Void
      ) -> [UInt32] {
        let strips = buffer((0..<inputs).map { Int32($0 / 12 % 2) })
        let scales = buffer((0..<2 * rows).map { 0.05 + 0.01 * Float($0 % 9) })
        let zeros = buffer((0..<2 * rows).map { Float($0 % 6) })
        let values = buffer(weights.elements), factors = buffer(factor.elements)
        let errors = buffer([Float](repeating: 0, count: (last - first) * rows))
        let losses = buffer([Float](repeating: 0.5, count: rows))
        defer {
          strips.deallocate()
          for floats in [scales, zeros, values, factors, errors, losses] { floats.deallocate() }
        }
        var block = gyro_gptq_block()
        block.tensor_scale = quantizer.scaleFormat == .e4m3 ? 0.002 : 1
        (block.rows, block.inputs) = (Int64(rows), Int64(inputs))
        block.factor = UnsafePointer(factors.baseAddress)
        block.strips = UnsafePointer(strips.baseAddress)
        block.scales = UnsafePointer(scales.baseAddress)
        block.zero_points = quantizer.isSymmetric ? nil : UnsafePointer(zeros.baseAddress)
        (block.weights, block.errors) = (values.baseAddress, errors.baseAddress)
        block.losses = losses.baseAddress
        quantizer.withKernelQuantizer {
          block.quantizer = $0
          kernel(&block, Int64(first), Int64(begin), Int64(end), Int64(last))
        }
        return [values, errors, losses].flatMap { $0.map(\.bitPattern) }
      }
    }
  }

  private func buffer<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
    let result = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
    _ = result.initialize(from: elements)
    return result
  }
}
