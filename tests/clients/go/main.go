// OpenAI's and Anthropic's own Go clients against a running server. One line per claim is printed, "ok
// NAME" or "failed NAME: why"; the exit code is 1 if any failed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

const (
	hello   = "Say hello to the world in one short sentence."
	weather = "What's the weather in Tokyo?"
	trip    = "Extract the trip: we go to Oslo for 3 days."
)

var (
	ctx           = context.Background()
	model         = os.Getenv("INFE_MODEL")
	location      = map[string]any{"location": map[string]any{"type": "string", "description": "City name"}}
	tripFields    = map[string]any{"city": map[string]any{"type": "string"}, "days": map[string]any{"type": "integer"}}
	tripSchema    = map[string]any{"type": "object", "properties": tripFields, "required": []string{"city", "days"}, "additionalProperties": false}
	weatherSchema = map[string]any{"type": "object", "properties": location, "required": []string{"location"}}
)

func whole(text string, err error) error {
	if err != nil {
		return err
	}
	if strings.TrimSpace(text) == "" || strings.Contains(text, "<|im_end|>") || strings.Contains(text, "<tool_call>") {
		return fmt.Errorf("not an answer: %q", text)
	}
	return nil
}

func isTrip(text string) error {
	var value struct {
		City string
		Days int
	}
	if err := json.Unmarshal([]byte(text), &value); err != nil || value.City == "" {
		return fmt.Errorf("not a trip: %q (%v)", text, err)
	}
	return nil
}

func openaiClaims() map[string]func() error {
	client := openai.NewClient(option.WithBaseURL(os.Getenv("INFE_BASE_URL")), option.WithAPIKey(os.Getenv("INFE_API_KEY")), option.WithMaxRetries(0))
	ask := func(text string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{Model: model, MaxCompletionTokens: openai.Int(200), Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
	}
	return map[string]func() error{
		"openai_plain": func() error {
			answer, err := client.Chat.Completions.New(ctx, ask(hello))
			if err != nil {
				return err
			}
			return whole(answer.Choices[0].Message.Content, nil)
		},
		"openai_stream": func() error {
			stream := client.Chat.Completions.NewStreaming(ctx, ask(hello))
			collected := openai.ChatCompletionAccumulator{}
			for stream.Next() {
				if !collected.AddChunk(stream.Current()) {
					return fmt.Errorf("a chunk does not fit")
				}
			}
			if stream.Err() != nil {
				return stream.Err()
			}
			return whole(collected.Choices[0].Message.Content, nil)
		},
		"openai_tools": func() error {
			params := ask(weather)
			params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
				Name: "get_weather", Description: openai.String("Get the current weather in a location"), Parameters: weatherSchema})}
			params.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}
			answer, err := client.Chat.Completions.New(ctx, params)
			if err != nil {
				return err
			}
			call := answer.Choices[0].Message.ToolCalls[0]
			var arguments struct{ Location string }
			if err := json.Unmarshal([]byte(call.Function.Arguments), &arguments); err != nil {
				return err
			}
			params.Messages = append(params.Messages, answer.Choices[0].Message.ToParam(), openai.ToolMessage("Sunny, 21 degrees in "+arguments.Location, call.ID))
			params.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("none")}
			answer, err = client.Chat.Completions.New(ctx, params)
			if err != nil {
				return err
			}
			return whole(answer.Choices[0].Message.Content, nil)
		},
		"openai_structured": func() error {
			params := ask(trip)
			params.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &openai.ResponseFormatJSONSchemaParam{
				JSONSchema: openai.ResponseFormatJSONSchemaJSONSchemaParam{Name: "trip", Strict: openai.Bool(true), Schema: tripSchema}}}
			answer, err := client.Chat.Completions.New(ctx, params)
			if err != nil {
				return err
			}
			return isTrip(answer.Choices[0].Message.Content)
		},
	}
}

func anthropicClaims() map[string]func() error {
	client := anthropic.NewClient(anthropicoption.WithBaseURL(strings.TrimSuffix(os.Getenv("INFE_BASE_URL"), "/v1")), anthropicoption.WithAPIKey(os.Getenv("INFE_API_KEY")), anthropicoption.WithMaxRetries(0))
	ask := func(text string) anthropic.MessageNewParams {
		return anthropic.MessageNewParams{Model: anthropic.Model(model), MaxTokens: 200, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(text))}}
	}
	return map[string]func() error{
		"anthropic_plain": func() error {
			answer, err := client.Messages.New(ctx, ask(hello))
			if err != nil {
				return err
			}
			return whole(answer.Content[0].Text, nil)
		},
		"anthropic_stream": func() error {
			stream := client.Messages.NewStreaming(ctx, ask(hello))
			collected := anthropic.Message{}
			for stream.Next() {
				if err := collected.Accumulate(stream.Current()); err != nil {
					return err
				}
			}
			if stream.Err() != nil {
				return stream.Err()
			}
			return whole(collected.Content[0].Text, nil)
		},
		"anthropic_tools": func() error {
			params := ask(weather)
			params.Tools = []anthropic.ToolUnionParam{{OfTool: &anthropic.ToolParam{Name: "get_weather",
				InputSchema: anthropic.ToolInputSchemaParam{Properties: location, Required: []string{"location"}}}}}
			params.ToolChoice = anthropic.ToolChoiceUnionParam{OfAny: &anthropic.ToolChoiceAnyParam{}}
			answer, err := client.Messages.New(ctx, params)
			if err != nil {
				return err
			}
			for _, block := range answer.Content {
				if block.Type == "tool_use" {
					params.Messages = append(params.Messages, answer.ToParam(), anthropic.NewUserMessage(anthropic.NewToolResultBlock(block.ID, "Sunny, 21 degrees", false)))
					params.ToolChoice = anthropic.ToolChoiceUnionParam{OfNone: &anthropic.ToolChoiceNoneParam{}}
					answer, err = client.Messages.New(ctx, params)
					if err != nil {
						return err
					}
					return whole(answer.Content[0].Text, nil)
				}
			}
			return fmt.Errorf("no call")
		},
		"anthropic_structured": func() error {
			params := ask(trip)
			params.OutputConfig = anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: tripSchema}}
			answer, err := client.Messages.New(ctx, params)
			if err != nil {
				return err
			}
			return isTrip(answer.Content[0].Text)
		},
	}
}

func main() {
	code := 0
	for _, claims := range []map[string]func() error{openaiClaims(), anthropicClaims()} {
		for name, claim := range claims {
			if err := claim(); err != nil {
				fmt.Printf("failed %s: %v\n", name, err)
				code = 1
			} else {
				fmt.Printf("ok %s\n", name)
			}
		}
	}
	os.Exit(code)
}
