import GyroQuantization
import GyroRotation
import GyroTraining
import Yams

extension Recipe {
  /// The recipe with every default spelled out, as YAML that decodes to an equal recipe.
  public var yaml: String {
    var pairs: [(Node, Node)] = [("name", word(name))]
    if !description.isEmpty { pairs.append(("description", word(description))) }
    pairs.append(("model", model.node))
    pairs.append(("data", data.node))
    if let scheme { pairs.append(("scheme", scheme.node)) }
    pairs.append(("precision", word(precision.rawValue)))
    pairs.append(("seed", number(seed)))
    pairs.append(("stages", .sequence(Node.Sequence(stages.map(\.node)))))
    // The tree holds only scalars, lists and mappings, all of which can be written.
    return try! Yams.serialize(node: block(pairs), width: 1000)
  }
}

/// A string, quoted when it could be read as something else.
private func word(_ value: String) -> Node {
  let plain = Node(value)
  let isString = plain.tag.description == "tag:yaml.org,2002:str"
  return isString ? plain : Node(value, Tag(.str), .doubleQuoted)
}

private func number<Number: CustomStringConvertible>(_ value: Number) -> Node {
  Node(value.description)
}

private func words(_ values: [String]) -> Node { list(values.map(word)) }

private func list(_ nodes: [Node]) -> Node { .sequence(Node.Sequence(nodes, Tag(.seq), .flow)) }

private func block(_ pairs: [(Node, Node)]) -> Node { .mapping(Node.Mapping(pairs)) }

private func flow(_ pairs: [(Node, Node)]) -> Node {
  .mapping(Node.Mapping(pairs, Tag(.map), .flow))
}

extension ModelRecipe {
  fileprivate var node: Node {
    switch self {
    case .directory(let path): word(path)
    case .llama(let llama): llama.node
    case .classifier(let classifier): classifier.node
    }
  }
}

extension LlamaRecipe {
  fileprivate var node: Node {
    let tokenizer: Node =
      switch self.tokenizer {
      case .path(let path): word(path)
      case .train(let files, let vocabulary):
        block([("train", words(files)), ("vocabulary", number(vocabulary))])
      }
    return block([
      ("architecture", "llama"), ("hidden", number(hidden)), ("layers", number(layers)),
      ("heads", number(heads)), ("key-value-heads", number(keyValueHeads)),
      ("feed-forward", number(feedForward)), ("context", number(context)),
      ("tied", number(tied)), ("rotary-base", number(rotaryBase)),
      ("norm-epsilon", number(normEpsilon)), ("tokenizer", tokenizer),
    ])
  }
}

extension ClassifierRecipe {
  fileprivate var node: Node {
    var pairs: [(Node, Node)] = [
      ("architecture", word(architecture.rawValue)), ("classes", number(classes)),
      ("image", list([number(channels), number(height), number(imageWidth)])),
    ]
    switch architecture {
    case .lenet: break
    case .resnet: pairs += [("width", number(width)), ("blocks", number(blocks))]
    case .mobilenet: pairs += [("width", number(width))]
    case .mlp: pairs += [("hidden", list(hidden.map { number($0) }))]
    }
    return block(pairs)
  }
}

extension DataRecipe {
  fileprivate var node: Node {
    var pairs: [(Node, Node)] = []
    if let train { pairs.append(("train", train.node)) }
    if let calibrate { pairs.append(("calibrate", calibrate.node)) }
    if let evaluate { pairs.append(("evaluate", evaluate.node)) }
    if !alsoEvaluate.isEmpty {
      pairs.append(("also-evaluate", block(alsoEvaluate.map { (word($0.name), $0.source.node) })))
    }
    return block(pairs)
  }
}

extension DataSource {
  fileprivate var node: Node {
    switch self {
    case .text(let files): return words(files)
    case .generated(let tokens, let seed):
      return block([("generated", flow([("tokens", number(tokens)), ("seed", number(seed))]))])
    case .digits(let count, let seed):
      return block([("digits", flow([("count", number(count)), ("seed", number(seed))]))])
    case .images(let images, let labels, let range):
      var pairs: [(Node, Node)] = [("images", word(images)), ("labels", word(labels))]
      if let range {
        let ends = [range.lowerBound, range.upperBound].map { number($0) }
        pairs.append(("range", list(ends)))
      }
      return block(pairs)
    }
  }
}

extension QuantizationScheme {
  fileprivate var node: Node {
    var pairs: [(Node, Node)] = []
    if let weights { pairs.append(("weights", weights.node)) }
    if let activations { pairs.append(("activations", activations.node)) }
    if let embeddings { pairs.append(("embeddings", embeddings.node)) }
    let cache = [("keys", keys), ("values", values)].compactMap { name, rule in
      rule.map { (name, $0.node) }
    }
    if !cache.isEmpty { pairs.append(("cache", block(cache.map { (word($0), $1) }))) }
    pairs.append(("sites", list(sites.map(\.rawValue).sorted().map { word($0) })))
    if !exceptions.isEmpty {
      let rules = exceptions.map { exception in
        var pairs: [(Node, Node)] = [("match", word(exception.pattern.pattern))]
        if let weights = exception.weights { pairs.append(("weights", weights.node)) }
        if let activations = exception.activations {
          pairs.append(("activations", activations.node))
        }
        return block(pairs)
      }
      pairs.append(("rules", list(rules)))
    }
    pairs.append(("keep", words(keep.map(\.pattern))))
    if let rotations { pairs.append(("rotations", rotations.node)) }
    return block(pairs)
  }
}

extension RotationRule {
  fileprivate var node: Node {
    var pairs = [("placements" as Node, words(placements.map(\.rawValue).sorted()))]
    if let signSeed { pairs.append(("signs", number(signSeed))) }
    if let blockSize { pairs.append(("block", number(blockSize))) }
    return flow(pairs)
  }
}

extension QuantizationRule {
  fileprivate var node: Node {
    flow([
      ("format", word(format)), ("granularity", word(granularity.description)),
      ("scale", word(scale.rawValue)), ("symmetric", number(isSymmetric)),
      ("range", word(range.description)), ("dynamic", number(isDynamic)),
      ("estimator", word(estimator)),
    ])
  }
}

extension StageRecipe {
  fileprivate var node: Node {
    var pairs: [(Node, Node)] = []
    switch self {
    case .evaluate(let stage), .round(let stage):
      pairs.append(("label", word(stage.label)))
      if kind == "evaluate", let quantized = stage.quantized {
        pairs.append(("quantized", number(quantized)))
      }
      if let limit = stage.limit { pairs.append(("limit", number(limit))) }
      if let length = stage.length { pairs.append(("length", number(length))) }
    case .calibrate(let stage):
      pairs = [
        ("label", word(stage.label)), ("batches", number(stage.batches)),
        ("batch", number(stage.batch)),
      ]
      if let length = stage.length { pairs.append(("length", number(length))) }
    case .compare(let stage):
      pairs = [("label", word(stage.label))]
      let schemes = stage.schemes.map { (word($0.name), $0.scheme.node) }
      pairs.append(("schemes", block(schemes)))
      if let limit = stage.limit { pairs.append(("limit", number(limit))) }
      if let length = stage.length { pairs.append(("length", number(length))) }
    case .train(let stage): pairs = stage.pairs
    case .rotate(let stage): pairs = stage.pairs
    case .ladder(let stage):
      pairs = [("label", word(stage.label))]
      pairs.append(("rungs", list(stage.rungs.map { block($0.pairs) })))
      if let limit = stage.limit { pairs.append(("limit", number(limit))) }
      if let length = stage.length { pairs.append(("length", number(length))) }
    case .gptq(let stage):
      pairs = [
        ("label", word(stage.label)), ("windows", number(stage.windows)),
        ("damping", number(stage.damping)), ("act-order", number(stage.actOrder)),
        ("static-groups", number(stage.staticGroups)),
        ("correct-inputs", number(stage.correctsInputs)),
        ("activations", word(stage.quantizedActivations ? "quantized" : "float")),
      ]
      if let length = stage.length { pairs.append(("length", number(length))) }
    case .outliers(let stage):
      pairs = [
        ("label", word(stage.label)), ("strength", number(stage.strength)),
        ("seed", number(stage.seed)), ("windows", number(stage.windows)),
      ]
    case .export(let stage):
      pairs = [
        ("format", word(stage.format)), ("allow-lossy", number(stage.allowsLoss)),
        ("path", word(stage.path)),
      ]
      if let name = stage.numbersName { pairs.append(("numbers", word(name))) }
      if let storage = stage.storage { pairs.append(("storage", word(storage))) }
    }
    return block([(word(kind), block(pairs))])
  }
}

extension RotateStage {
  fileprivate var pairs: [(Node, Node)] {
    var pairs: [(Node, Node)] = [
      ("label", word(label)), ("seed", number(seed)),
      ("candidate-batches", number(candidateBatches)), ("stop-above", number(stopAbove)),
    ]
    if let from {
      pairs.append(("from", word(from)))
    } else {
      pairs += [("start", word(start.rawValue)), ("candidates", number(candidates))]
    }
    if let local { pairs.append(("local", word(local.rawValue))) }
    pairs +=
      [
        ("local-steps", number(localSteps)), ("local-rate", number(localRate)),
        ("scalings", words(scalings.map(\.rawValue).sorted())),
        ("quantize-weights", number(quantizesWeights)), ("block-wise", number(isBlockwise)),
        ("optimizer", word(optimizer.rawValue)),
        ("scaling-rate", number(scalingRate)), ("steps", number(learning.steps)),
        ("rate", number(learning.rate)), ("schedule", word(learning.schedule.rawValue)),
        ("warmup", number(learning.warmup)), ("floor", number(learning.floor)),
        ("batch", number(learning.batch)),
      ] + learning.lengthPairs
    if !isBlockwise {
      pairs += [
        ("loss", word(learning.loss.rawValue)), ("temperature", number(learning.temperature)),
      ]
    }
    return pairs + [
      ("momentum", number(learning.momentum)), ("clip", number(learning.clip)),
      ("accumulate", number(learning.accumulate)),
      ("checkpoint-every", number(learning.checkpointEvery)),
    ]
  }
}

extension TrainStage {
  fileprivate var pairs: [(Node, Node)] {
    var pairs: [(Node, Node)] =
      [
        ("label", word(label)), ("steps", number(steps)), ("rate", number(rate)),
        ("schedule", word(schedule.rawValue)), ("warmup", number(warmup)),
        ("floor", number(floor)), ("batch", number(batch)),
      ] + lengthPairs + [
        ("loss", word(loss.rawValue)), ("quantized", number(quantized)),
        ("optimizer", word(optimizer.rawValue)), ("momentum", number(momentum)),
        ("weight-decay", number(weightDecay)), ("clip", number(clip)),
        ("accumulate", number(accumulate)), ("average", number(average)),
        ("recompute", number(recompute)), ("checkpoint-every", number(checkpointEvery)),
        ("scale-rate", number(scaleRate)), ("temperature", number(temperature)),
        ("distillation", number(distillationShare)), ("health", number(health)),
        ("reestimate-batch-norm", number(reestimateBatchNorm)), ("dampening", number(dampening)),
        ("freezing", number(freezing)),
      ]
    if let milestones {
      pairs.append(("milestones", list(milestones.milestones.map(\.node))))
    }
    return pairs
  }

  fileprivate var lengthPairs: [(Node, Node)] {
    guard let length else { return [] }
    return [("length", number(length))]
  }
}

extension Milestone {
  fileprivate var node: Node {
    func on(_ value: Bool) -> Node { word(value ? "on" : "off") }
    func frozen(_ value: Bool) -> Node { word(value ? "frozen" : "live") }
    return flow(
      [("at", number(step))]
        + changes.map { change in
          switch change {
          case .observers(let value): ("observers", on(value))
          case .weights(let value): ("weights", on(value))
          case .activations(let value): ("activations", on(value))
          case .batchNormFrozen(let value): ("batch-norm", frozen(value))
          case .scalesFrozen(let value): ("scales", frozen(value))
          case .bits(let bits): ("bits", number(bits))
          case .distillation(let share): ("distillation", number(share))
          }
        })
  }
}
