import GyroAutodiff
import GyroModels
import GyroQuantization
import GyroTensors
import Testing

@Suite("A scheme resolved against a model")
struct QuantizationPlanTests {
  private func tinyLlama(tied: Bool = false) -> (model: Llama, parameters: ParameterStore) {
    var configuration = LlamaConfiguration(
      vocabulary: 32, hidden: 16, feedForward: 24, layers: 2, heads: 2, context: 16)
    configuration.tiedEmbeddings = tied
    return Llama.initialized(configuration, seed: 1)
  }

  private let tokens = TokenWindow([1, 2, 3, 4, 5, 6], batch: 2, length: 3)

  @Test("every weight and site gets a decision, and what stays float says why")
  func decisions() throws {
    let (_, parameters) = tinyLlama()
    var scheme = QuantizationScheme.int8
    scheme.keep = ["lm_head"]
    let plan = try QuantizationPlan(scheme, for: parameters)
    let byPath = Dictionary(uniqueKeysWithValues: plan.decisions.map { ($0.path, $0) })
    #expect(byPath["model.layers.1.mlp.up_proj.weight"]?.rule == scheme.weights)
    #expect(byPath["model.layers.1.mlp.input"]?.rule == scheme.activations)
    #expect(byPath["lm_head.weight"]?.reason == "kept by 'lm_head'")
    #expect(byPath["lm_head.input"]?.reason == "kept by 'lm_head'")
    #expect(
      byPath["model.embed_tokens.weight"]?.reason
        == "an embedding table, looked up rather than multiplied")
    #expect(plan.decisions.allSatisfy { ($0.rule == nil) != $0.reason.isEmpty })
  }

  @Test("a tied head has no quantized weight, so its input stays float")
  func tiedHead() throws {
    let (_, parameters) = tinyLlama(tied: true)
    let plan = try QuantizationPlan(.int8, for: parameters)
    let head = plan.decisions.first { $0.path == "lm_head.input" }
    #expect(head?.reason == "no quantized weight reads it")
  }

  @Test("bad schemes are refused with the words that help")
  func refusals() {
    let (_, parameters) = tinyLlama()
    func message(_ scheme: QuantizationScheme) -> String? {
      do {
        _ = try QuantizationPlan(scheme, for: parameters)
        return nil
      } catch { return error.description }
    }
    let int9 = QuantizationScheme(
      weights: .init(format: "int9", granularity: .channel), activations: nil)
    #expect(message(int9)?.hasPrefix("weights: unknown number format 'int9'; known are ") == true)
    let byToken = QuantizationScheme(
      weights: .init(format: "int8", granularity: .token), activations: nil)
    #expect(
      message(byToken)
        == "weights: granularity 'token' is not possible here; "
        + "use tensor, channel, group-32, block-128x128")
    var misspelt = QuantizationScheme.int8
    misspelt.keep = ["lm_haed"]
    #expect(
      message(misspelt)
        == "keep: the pattern 'lm_haed' matches no weight and no activation site; "
        + "a name matches whole path components, * matches any run of characters")
  }

  @Test("what is trained is what ships: the frozen model computes the same logits, bit for bit")
  func frozenEqualsTrained() throws {
    let (model, parameters) = tinyLlama()
    let plan = try QuantizationPlan(.int8, for: parameters)
    let trained = model(tokens, ForwardPass(parameters, instrumentation: plan)).value
    let frozen = try plan.frozen(parameters)
    let shipped = model(tokens, ForwardPass(frozen, instrumentation: plan)).value
    #expect(trained.elements == shipped.elements)
    let float = model(tokens, ForwardPass(parameters)).value
    #expect(trained.elements != float.elements)
  }

  @Test("the straight-through gradient reaches every weight, close to the float gradient")
  func gradients() throws {
    let (model, parameters) = tinyLlama()
    let plan = try QuantizationPlan(.int8, for: parameters)
    func gradients(_ instrumentation: any Instrumentation) throws -> Gradients {
      try differentiate(parameters, mode: .training(step: 0), instrumentation: instrumentation) {
        model.nextTokenLoss(tokens, targets: [2, 3, 4, 5, 6, 7], $0)
      }.gradients
    }
    let (quantized, float) = (try gradients(plan), try gradients(NoInstrumentation()))
    for path in parameters.parameterPaths {
      let (a, b) = (try #require(quantized[path]).elements, try #require(float[path]).elements)
      let difference = zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
      let size = b.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(difference <= 0.1 * size, "\(path): \(difference) of \(size)")
    }
  }

  @Test("a value that is not finite stops the step and names the place")
  func notFinite() throws {
    let (model, original) = tinyLlama()
    let plan = try QuantizationPlan(.int8, for: original)
    var parameters = original
    parameters.update("model.layers.1.mlp.up_proj.weight") { tensor in
      tensor.withMutableElements { $0[20] = .nan }
    }
    do {
      _ = try differentiate(parameters, mode: .training(step: 0), instrumentation: plan) {
        model.nextTokenLoss(tokens, targets: [2, 3, 4, 5, 6, 7], $0)
      }
      Issue.record("a NaN went through")
    } catch let fault as NumericFault {
      #expect(fault.path == "model.layers.1.mlp.up_proj.weight")
    }
  }

  @Test("a fingerprint changes with any rule and with nothing else")
  func fingerprints() {
    let base = QuantizationScheme.int8
    var kept = base
    kept.keep = ["lm_head"]
    var perTensor = base
    perTensor.activations?.granularity = .tensor
    var weightsOnly = base
    weightsOnly.activations = nil
    #expect(Set([base, kept, perTensor, weightsOnly].map(\.fingerprint)).count == 4)
    #expect(QuantizationScheme.int8.fingerprint == base.fingerprint)
    #expect(base.fingerprint.count == 16)
  }
}
