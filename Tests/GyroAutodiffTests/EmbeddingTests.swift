import GyroAutodiff
import GyroTensors
import TestSupport
import Testing

@Suite struct EmbeddingTests {
  @Test(arguments: [1, 15, 16, 40, 200]) func rowsAreGatheredAndTheirGradientsAddedBack(
    _ width: Int
  ) {
    var stream = RandomStream(seed: 41)
    let table = stream.normal([11, width])
    let ids = (0..<60).map { _ in Int32(stream.integer(below: 11)) }
    let cotangent = stream.normal([6, 10, width])
    let (value, gradients) = valueAndGradients(of: [table], cotangent: cotangent) {
      $0[0].embedding(ids, shape: [6, 10])
    }
    #expect(value.shape == [6, 10, width])
    var sums = [Float](repeating: 0, count: table.count)
    var rows: [Float] = []
    let (source, weights) = (table.elements, cotangent.elements)
    for (place, id) in ids.enumerated() {
      for column in 0..<width {
        rows.append(source[Int(id) * width + column])
        sums[Int(id) * width + column] += weights[place * width + column]
      }
    }
    #expect(value.elements == rows)
    #expect(gradients[0].elements == sums)
    checkGradients(of: [table]) { $0[0].embedding(ids).squared() }
    checkNeeds(EmbeddingOp(ids: ids, shape: [60]), [table])
  }

  @Test func outOfRangeIdsTrapWithTheIdAndTheVocabulary() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Variable(constant: .zeros([3, 2])).embedding([0, 3])
    }
    let message = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(message.contains("embedding: id 3 at place 1 is outside the vocabulary of 3"))
  }
}
