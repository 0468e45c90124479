public import GyroTensors

/// How a convolution's kernel moves over its input: what a weight's shape does not tell.
public struct ConvolutionGeometry: Sendable, Hashable {
  public var stride: Int
  /// Zeros on each side.
  public var padding: Int

  /// - Parameter stride: 1 is a fair stand-in for any stride, whose patches are some of these.
  public init(stride: Int = 1, padding: Int) {
    precondition(
      stride > 0 && padding >= 0, "ConvolutionGeometry: stride \(stride), padding \(padding)")
    self.stride = stride
    self.padding = padding
  }

  /// The patches that a kernel sees in one image of `[N, C, H, W]`, one a row: `[positions, channels ·
  /// height · width]`, in the order of a kernel's elements.
  public func patches(
    of images: Tensor, image: Int, channels: Range<Int>, height: Int, width: Int
  ) -> Tensor {
    precondition(
      images.shape.rank == 4 && channels.upperBound <= images.shape[1],
      "patches: \(images.shape) has no channels \(channels)")
    let (rows, columns) = (images.shape[2], images.shape[3])
    let high = max((rows + 2 * padding - height) / stride + 1, 0)
    let wide = max((columns + 2 * padding - width) / stride + 1, 0)
    let size = channels.count * height * width
    return Tensor.filled([high * wide, size]) { target in
      images.withElements { source in
        var place = 0
        for top in 0..<high {
          for left in 0..<wide {
            for channel in channels {
              let plane = source + (image * images.shape[1] + channel) * rows * columns
              for y in top * stride - padding..<top * stride - padding + height {
                for x in left * stride - padding..<left * stride - padding + width {
                  let isInside = y >= 0 && y < rows && x >= 0 && x < columns
                  target[place] = isInside ? plane[y * columns + x] : 0
                  place += 1
                }
              }
            }
          }
        }
      }
    }
  }
}
