import CGyroKernels
import GyroTensors

/// What a kernel is asked to do with a tensor.
enum KernelWork {
  case scales, projection, scalesAndProjection
}

/// Where projected values go.
enum KernelOutput {
  case nothing
  case values(UnsafeMutablePointer<Float>)
  case codes(UnsafeMutablePointer<UInt8>)
  /// Codes of whole numbers as signed bytes, for an integer grid.
  case signed(UnsafeMutablePointer<Int8>)
  /// bfloat16 units; groups' scales are part of them or not.
  case units(UnsafeMutablePointer<UInt16>, scaled: Bool, isExact: UnsafeMutablePointer<Int32>)
}

extension ScaleFormat {
  var kernelCode: Int32 {
    switch self {
    case .float32: Int32(GYRO_SCALE_FLOAT32)
    case .float16: Int32(GYRO_SCALE_FLOAT16)
    case .bfloat16: Int32(GYRO_SCALE_BFLOAT16)
    case .powerOfTwo: Int32(GYRO_SCALE_POWER_OF_TWO)
    case .e8m0: Int32(GYRO_SCALE_E8M0)
    case .e4m3: Int32(GYRO_SCALE_E4M3)
    }
  }
}

extension Quantizer {
  /// Runs the kernel over contiguous groups.
  func run(
    _ source: Tensor, _ layout: GroupLayout, _ scales: inout GroupScales, _ work: KernelWork,
    into output: KernelOutput
  ) throws(NotFiniteRow) {
    guard source.count > 0 else {
      if work != .projection { scales = unitScales(layout) }
      return
    }
    let status = format.withKernelFormat { format in
      source.withElements { elements in
        withScalePointers(&scales) { pointer, zeroPoints, whole in
          var job = gyro_group_quantizer()
          job.format = format.pointee
          job.scale_format = scaleFormat.kernelCode
          job.is_asymmetric = isSymmetric ? 0 : 1
          job.span = span
          job.tensor_scale = tensorScale ?? 0
          let (groups, length) = (Int64(layout.groups), Int64(layout.length))
          if work == .scales {
            return gyro_group_scales(
              &job, elements, groups, length, pointer, zeroPoints, whole)
          }
          let isDynamic: Int32 = work == .scalesAndProjection ? 1 : 0
          switch output {
          case .nothing: return 0
          case .values(let values):
            return gyro_quantize_groups(
              &job, elements, groups, length, isDynamic, pointer, zeroPoints, whole,
              Int32(GYRO_OUTPUT_VALUES), values)
          case .codes(let codes):
            return gyro_quantize_groups(
              &job, elements, groups, length, isDynamic, pointer, zeroPoints, whole,
              Int32(GYRO_OUTPUT_CODES), codes)
          case .signed(let codes):
            return gyro_quantize_groups(
              &job, elements, groups, length, isDynamic, pointer, zeroPoints, whole,
              Int32(GYRO_OUTPUT_SIGNED), codes)
          case .units(let units, let isScaled, let isExact):
            return gyro_quantize_units(
              &job, elements, groups, length, isDynamic, isScaled ? 1 : 0, pointer, zeroPoints,
              whole, units, isExact)
          }
        }
      }
    }
    if status > 0 { throw NotFiniteRow(row: Int(status) - 1) }
    if status < 0 {
      let row = Int(-status) - 1
      throw NotFiniteRow(row: row, scale: rawScale(source, row, layout.length))
    }
  }

  private func withScalePointers<Result>(
    _ scales: inout GroupScales,
    _ body: (
      UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>
    ) -> Result
  ) -> Result {
    withUnsafeMutablePointer(to: &scales.tensorScale) { tensorScale in
      scales.scales.withMutableElements { pointer in
        guard scales.zeroPoints != nil else { return body(pointer, nil, tensorScale) }
        return scales.zeroPoints!.withMutableElements { body(pointer, $0, tensorScale) }
      }
    }
  }

  /// Scales of groups without elements.
  private func unitScales(_ layout: GroupLayout) -> GroupScales {
    GroupScales(
      scales: .ones([layout.groups]), zeroPoints: isSymmetric ? nil : .zeros([layout.groups]))
  }

  /// The scale of a group before it is rounded to its type, for a message.
  private func rawScale(_ source: Tensor, _ row: Int, _ length: Int) -> Float {
    source.withElements { elements in
      let group = UnsafeBufferPointer(start: elements + row * length, count: length)
      let low = min(group.min() ?? 0, 0), high = max(group.max() ?? 0, 0)
      return (isSymmetric ? max(-low, high) : kernelWidth(low, high)) / span
    }
  }

  // MARK: One group's arithmetic, as kernels do it

  func kernelWidth(_ low: Float, _ high: Float) -> Float { gyro_group_width(low, high) }

  func kernelScale(_ reach: Float, _ tensorScale: Float) -> Float {
    gyro_group_scale(scaleFormat.kernelCode, reach, span, tensorScale)
  }

  func kernelTensorScale(_ reach: Float) -> Float { gyro_tensor_scale(reach, span) }

  func kernelZeroPoint(_ low: Float, _ scale: Float) -> Float {
    gyro_group_zero_point(low, scale, span)
  }
}
