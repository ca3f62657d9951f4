// What does Envoy Gateway's own translator make of objects, without a cluster? Reads Kubernetes YAML from standard input, prints JSON:
// the xDS resources by type, the objects with their statuses, and those of patches.
//
// Go lets packages whose path begins like this module's import internal ones. A tool of tests, never to be published under this name.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	egv1a1 "github.com/envoyproxy/gateway/api/v1alpha1"
	"github.com/envoyproxy/gateway/internal/gatewayapi"
	"github.com/envoyproxy/gateway/internal/gatewayapi/resource"
	"github.com/envoyproxy/gateway/internal/logging"
	"github.com/envoyproxy/gateway/internal/wasm"
	"github.com/envoyproxy/gateway/internal/xds/translator"
)

const (
	namespace  = "envoy-gateway-system"
	controller = "gateway.envoyproxy.io/gatewayclass-controller"
)

// modules serves one module for every image: what is pulled is tested elsewhere.
type modules struct{ digest string }

func (modules) Start(context.Context) {}

func (m modules) Get(string, *wasm.GetOptions) (string, string, error) {
	return "https://envoy-gateway:18002/module.wasm", m.digest, nil
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(module string) error {
	content, err := os.ReadFile(module)
	if err != nil {
		return err
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	resources, err := resource.LoadResourcesFromYAMLBytes(input, false, nil)
	if err != nil {
		return err
	}
	if err := restore(resources, input); err != nil {
		return err
	}
	logger := logging.NewLogger(os.Stderr, egv1a1.DefaultEnvoyGatewayLogging())
	sum := sha256.Sum256(content)
	translated, err := (&gatewayapi.Translator{
		GatewayControllerName: controller, GatewayClassName: "eg", ControllerNamespace: namespace,
		EnvoyPatchPolicyEnabled: true, BackendEnabled: true, MergeBackends: gatewayapi.ResolveMergeBackendsConfig(resources),
		Logger: logger, WasmCache: modules{hex.EncodeToString(sum[:])},
	}).Translate(context.Background(), resources)
	if err != nil {
		return err
	}
	xds, patches := map[string][]json.RawMessage{}, []any{}
	for _, ir := range translated.XdsIR {
		table, err := (&translator.Translator{ControllerNamespace: namespace, FilterOrder: ir.FilterOrder, Logger: logger}).Translate(context.Background(), ir)
		if err != nil {
			return err
		}
		for kind, all := range table.XdsResources {
			for _, one := range all {
				text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(one.(proto.Message))
				if err != nil {
					return err
				}
				xds[kind] = append(xds[kind], text)
			}
		}
		for _, status := range table.EnvoyPatchPolicyStatuses {
			patches = append(patches, status)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"xds": xds, "objects": translated.Resources, "patches": patches})
}

// restore puts back what the loader drops: endpoints, labels of routes, and that an EnvoyProxy is a Gateway's. A Secret of the controller makes it know its Wasm server.
func restore(resources *resource.Resources, input []byte) error {
	if proxy := resources.EnvoyProxyForGatewayClass; proxy != nil {
		resources.EnvoyProxiesForGateways = append(resources.EnvoyProxiesForGateways, proxy)
		resources.EnvoyProxyForGatewayClass = nil
	}
	resources.Secrets = append(resources.Secrets, &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "envoy"},
		Data:       map[string][]byte{"tls.crt": []byte("x"), "tls.key": []byte("x")},
	})
	for _, part := range bytes.Split(input, []byte("\n---\n")) {
		slice := &discoveryv1.EndpointSlice{}
		if err := yaml.Unmarshal(part, slice); err != nil {
			return err
		}
		if slice.Kind == "EndpointSlice" {
			resources.EndpointSlices = append(resources.EndpointSlices, slice)
		}
		for _, route := range resources.HTTPRoutes {
			if slice.Kind == route.Kind && slice.Namespace == route.Namespace && slice.Name == route.Name {
				route.Labels = slice.Labels
			}
		}
	}
	return nil
}
