//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// checkWithVariables runs --check in a process with the variables: OpenTelemetry's
// libraries read the variables of the process.
func checkWithVariables(t *testing.T, of ...string) result {
	t.Helper()
	var stdout, stderr strings.Builder
	process := exec.CommandContext(t.Context(), command(t), "serve", "--check", "--intake-url", "http://127.0.0.1:1/")
	process.Env = append(os.Environ(), append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"}, of...)...)
	process.Stdout, process.Stderr = &stdout, &stderr
	_ = process.Run()
	return result{code: process.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// Invalid values of OpenTelemetry's variables are ignored and reported by name. They are
// not repeated.
func TestTracesDiscardVariables(t *testing.T) {
	t.Parallel()
	for _, of := range [][]string{
		{"OTEL_RESOURCE_ATTRIBUTES=a=canary,"},
		{"OTEL_RESOURCE_ATTRIBUTES=a=canary%zz", "OTEL_SERVICE_NAME=gate"},
		{"OTEL_RESOURCE_ATTRIBUTES==canary"},
		{"OTEL_EXPORTER_OTLP_HEADERS=canary"},
		{"OTEL_EXPORTER_OTLP_HEADERS=api key=canary"},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS=k=canary%zz"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT=10s"},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=-1"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION=zip"},
		{"OTEL_EXPORTER_OTLP_INSECURE=maybe"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE=/canary"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE=" + file(t, "canary")},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=" + file(t, "canary")},
		{"OTEL_TRACES_SAMPLER=canary"},
		{"OTEL_TRACES_SAMPLER_ARG=7", "OTEL_TRACES_SAMPLER=traceidratio"},
		{"OTEL_TRACES_SAMPLER_ARG=NaN", "OTEL_TRACES_SAMPLER=parentbased_traceidratio"},
		{"OTEL_BSP_MAX_QUEUE_SIZE=-1"},
		{"OTEL_BSP_MAX_QUEUE_SIZE=9999999999999999"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=-1"},
		{"OTEL_BSP_SCHEDULE_DELAY=0"},
		{"OTEL_BSP_EXPORT_TIMEOUT=x"},
		{"OTEL_SPAN_EVENT_COUNT_LIMIT=x"},
		{"OTEL_SDK_DISABLED=canary"},
	} {
		t.Run(of[0], func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(of[0], "=")
			got := checkWithVariables(t, of...)
			if got.code != exitOK || strings.Count(got.stderr, "level=WARN") != 1 || !strings.Contains(got.stderr, " variable="+name+" ") {
				t.Errorf("%+v, want code %v, 1 and %q in it", got, exitOK, " variable="+name+" ")
			}
			if strings.Contains(got.stderr, "canary") {
				t.Errorf("it is repeated: %s", got.stderr)
			}
		})
	}
}

// Without an exporter, serve does not start, and the error names the variable.
func TestTracesRefuseVariables(t *testing.T) {
	t.Parallel()
	for of, want := range map[string]string{
		"OTEL_TRACES_EXPORTER=jaeger":                         `OTEL_TRACES_EXPORTER: "jaeger" is not otlp, console or none`,
		"OTEL_TRACES_EXPORTER=otlp,console":                   "OTEL_TRACES_EXPORTER: ",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json":               `OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" is not grpc or http/protobuf`,
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=x":                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: ",
		"OTEL_EXPORTER_OTLP_ENDPOINT=127.0.0.1:4317":          "OTEL_EXPORTER_OTLP_ENDPOINT: it is not http://host:port",
		"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318":          "OTEL_EXPORTER_OTLP_ENDPOINT: ",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:99999":  "OTEL_EXPORTER_OTLP_ENDPOINT: ",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://collector":  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: ",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:canary@host%zz": "OTEL_EXPORTER_OTLP_ENDPOINT: ",
	} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			got := checkWithVariables(t, of)
			if got.code != exitUsage || !strings.Contains(got.stderr, "scopegate serve: "+want) || strings.Contains(got.stderr, "canary") {
				t.Errorf("%+v, want code %d and %q", got, exitUsage, want)
			}
		})
	}
}

// Valid values cause no warning.
func TestTracesTakeVariables(t *testing.T) {
	t.Parallel()
	for _, of := range [][]string{
		{"OTEL_RESOURCE_ATTRIBUTES=a=b, c = d%2Ce", "OTEL_EXPORTER_OTLP_HEADERS=api-key=k%20k,x=y"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"},
		{"OTEL_TRACES_EXPORTER=None", "OTEL_EXPORTER_OTLP_PROTOCOL=x"},
		{"OTEL_SDK_DISABLED=TRUE", "OTEL_TRACES_EXPORTER=jaeger"},
		{"OTEL_TRACES_SAMPLER=ParentBased_TraceIdRatio", "OTEL_TRACES_SAMPLER_ARG=0.5"},
		{"OTEL_BSP_MAX_QUEUE_SIZE=10", "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_EXPORTER_OTLP_TIMEOUT=100"},
	} {
		t.Run(of[0], func(t *testing.T) {
			t.Parallel()
			if got := checkWithVariables(t, of...); got.code != exitOK || strings.Contains(got.stderr, "level=WARN") {
				t.Errorf("%+v, want code %d and no warning", got, exitOK)
			}
		})
	}
}

// The service name is kept if the attributes are ignored.
func TestServiceOfDiscardedAttributes(t *testing.T) {
	t.Parallel()
	for of, want := range map[string]string{"gate": "gate", "": "scopegate"} {
		v := otelVariables{
			getenv:    variables(map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "service.name=other,", "OTEL_SERVICE_NAME": of}),
			discarded: func(string, string) {},
		}
		if got, _ := v.resource(t.Context()).Set().Value("service.name"); got.AsString() != want {
			t.Errorf("%q: the service is %q, want %v", of, got.AsString(), want)
		}
	}
}
