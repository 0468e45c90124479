import GyroModels
import GyroTensors

/// The Hessians of the weights that read one site: one for all linear layers there, one for each shape
/// of kernel and each group of channels of convolutions.
struct InputMoments {
  /// How a weight cuts its input into columns.
  struct Form: Hashable {
    /// Channels of a group, height and width of a kernel; of a linear layer its inputs, 1 and 1.
    let channels: Int, height: Int, width: Int
    let geometry: ConvolutionGeometry?

    var columns: Int { channels * height * width }

    init(_ weight: Parameter, _ geometry: ConvolutionGeometry?) {
      let extents = weight.shape.dimensions
      guard weight.kind == .convolution else {
        self.init(channels: weight.shape.count / max(extents[0], 1), 1, 1, nil)
        return
      }
      let usual = ConvolutionGeometry(padding: (extents[2] - 1) / 2)
      self.init(channels: extents[1], extents[2], extents[3], geometry ?? usual)
    }

    private init(channels: Int, _ height: Int, _ width: Int, _ geometry: ConvolutionGeometry?) {
      (self.channels, self.height, self.width) = (channels, height, width)
      self.geometry = geometry
    }
  }

  private let precision: MatmulPrecision
  /// For each form the Hessians of its groups of channels; empty before the first input.
  private(set) var hessians: [Form: [Hessian]]
  /// How the inputs of linear layers hang together with the float model's; nil unless targets came.
  private(set) var cross: CrossMoment?

  init(_ forms: Set<Form>, _ precision: MatmulPrecision) {
    self.precision = precision
    hessians = Dictionary(uniqueKeysWithValues: forms.map { ($0, []) })
  }

  /// Rows seen by the first form.
  var count: Int { hessians.values.first?.first?.count ?? 0 }

  /// - Parameter target: the inputs of the float model at the same places.
  mutating func accumulate(
    _ inputs: Tensor, target: Tensor? = nil, at site: ParameterPath
  ) throws(PostTrainingError) {
    if let target {
      var sums =
        cross ?? CrossMoment(size: inputs.shape.columns, precision: precision)
      cross = nil
      sums.accumulate(float: target, rounded: inputs)
      cross = sums
    }
    for form in Array(hessians.keys) {
      var sums = hessians.updateValue([], forKey: form) ?? []
      defer { hessians[form] = sums }
      guard let geometry = form.geometry else {
        if sums.isEmpty { sums = [Hessian(size: form.columns, precision: precision)] }
        try sums[0].accumulate(inputs, at: site)
        continue
      }
      let groups = inputs.shape[1] / form.channels
      if sums.isEmpty {
        sums = .init(repeating: Hessian(size: form.columns, precision: precision), count: groups)
      }
      for image in 0..<inputs.shape[0] {
        for group in 0..<groups {
          let patches = geometry.patches(
            of: inputs, image: image, channels: group * form.channels..<(group + 1) * form.channels,
            height: form.height, width: form.width)
          try sums[group].accumulate(patches, at: site)
        }
      }
    }
  }
}
