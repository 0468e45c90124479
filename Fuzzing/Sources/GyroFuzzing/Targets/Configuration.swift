import Foundation
import GyroModels

extension FuzzTarget {
  /// `config.json` of the Llama family; what is taken is written as it was understood.
  static let languageConfiguration = FuzzTarget(
    name: "config", shape: .json,
    seeds: {
      [
        ("llama", Array(llama.utf8)), ("qwen", Array(qwen.utf8)), ("mistral", Array(mistral.utf8)),
      ]
    },
    read: { bytes, _ in
      var configuration = try LlamaConfiguration(json: Data(bytes))
      _ = configuration.parameterCount
      var again = try LlamaConfiguration(json: configuration.json)
      // Warnings are about the file, not about the model.
      configuration.warnings = []
      again.warnings = []
      precondition(again == configuration, "config: written and read, it is another")
    })

  private static let llama = #"""
    {"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":128256,"hidden_size":2048,
    "intermediate_size":8192,"num_hidden_layers":16,"num_attention_heads":32,"num_key_value_heads":8,
    "head_dim":64,"max_position_embeddings":131072,"hidden_act":"silu","rms_norm_eps":1e-05,
    "rope_theta":500000.0,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,
    "original_max_position_embeddings":8192,"rope_type":"llama3"},"tie_word_embeddings":true,
    "attention_bias":false,"mlp_bias":false,"initializer_range":0.02,"bos_token_id":128000,
    "eos_token_id":[128001,128008],"torch_dtype":"bfloat16"}
    """#
  private static let qwen = #"""
    {"architectures":["Qwen3ForCausalLM"],"vocab_size":151936,"hidden_size":1024,
    "intermediate_size":3072,"num_hidden_layers":28,"num_attention_heads":16,"num_key_value_heads":8,
    "max_position_embeddings":40960,"rms_norm_eps":1e-06,"rope_theta":1000000,"rope_scaling":null,
    "sliding_window":null,"use_sliding_window":false,"tie_word_embeddings":true,"eos_token_id":151645}
    """#
  private static let mistral = #"""
    {"model_type":"mistral","vocab_size":32000,"hidden_size":64,"intermediate_size":96,
    "num_hidden_layers":2,"num_attention_heads":8,"num_key_value_heads":2,"sliding_window":512,
    "max_position_embeddings":1024,"rope_parameters":{"rope_theta":1e4,"type":"linear","factor":2},
    "hidden_act":"swish","dtype":"float16"}
    """#
}
