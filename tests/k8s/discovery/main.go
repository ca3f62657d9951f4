// What does Istio make of objects, without a cluster? Its own discovery server over a fake Kubernetes, and its agent's code for modules.
//
//	discovery ADDRESS FOLDER   serves xDS in the clear; modules that are pulled lie in FOLDER
//
// Standard input has JSON, a line at a time: first `[OBJECT, …]`, all that is in the cluster, then objects that have changed. A line on standard
// output answers each: `ready`, `changed`, or what is wrong.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	v3 "istio.io/istio/pilot/pkg/xds/v3"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/spiffe"
	"istio.io/istio/pkg/wasm"
)

// asAgent does what the agent does in a gateway's pod, between istiod and Envoy: it pulls modules, and says who the gateway is, which
// istiod else reads from the agent's certificate.
type asAgent struct {
	model.XdsResourceGenerator
	modules wasm.Cache
}

func (a asAgent) Generate(proxy *model.Proxy, w *model.WatchedResource, req *model.PushRequest) (model.Resources, model.XdsLogDetails, error) {
	proxy.VerifiedIdentity = &spiffe.Identity{TrustDomain: "cluster.local", Namespace: proxy.ConfigNamespace, ServiceAccount: proxy.ConfigNamespace}
	resources, details, err := a.XdsResourceGenerator.Generate(proxy, w, req)
	if err != nil || a.modules == nil {
		return resources, details, err
	}
	local := make([]*anypb.Any, len(resources))
	for at, one := range resources {
		local[at] = one.Resource
	}
	if err := wasm.MaybeConvertWasmExtensionConfig(local, a.modules); err != nil {
		// The agent refuses it, and Envoy keeps what it has.
		fmt.Fprintln(os.Stderr, "refused:", err)
		return nil, details, nil
	}
	for at, one := range resources {
		one.Resource = local[at]
	}
	return resources, details, nil
}

// ends says what is wrong and ends the program: the fake server asks for a test.
type ends struct{ folder string }

func (ends) Fail()                             { panic("failed") }
func (ends) FailNow()                          { panic("failed") }
func (ends) Fatal(words ...any)                { panic(fmt.Sprint(words...)) }
func (ends) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (ends) Log(words ...any)                  { fmt.Fprintln(os.Stderr, words...) }
func (ends) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (e ends) TempDir() string                 { return e.folder }
func (ends) Helper()                           {}
func (ends) Cleanup(func())                    {}
func (ends) Skip(words ...any)                 { panic(fmt.Sprint(words...)) }

func main() {
	lines := bufio.NewReader(os.Stdin)
	first, err := lines.ReadBytes('\n')
	if err == nil {
		err = serve(os.Args[1], os.Args[2], first, lines)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address, folder string, first []byte, lines *bufio.Reader) error {
	var all []json.RawMessage
	if err := json.Unmarshal(first, &all); err != nil {
		return err
	}
	var ofIstio, ofKubernetes []string
	for _, one := range all {
		var head struct{ APIVersion string }
		if err := json.Unmarshal(one, &head); err != nil {
			return err
		}
		if strings.Contains(head.APIVersion, "istio.io/") {
			ofIstio = append(ofIstio, string(one))
		} else {
			ofKubernetes = append(ofKubernetes, string(one))
		}
	}
	settings := mesh.DefaultMeshConfig()
	// Else each cluster waits for a certificate of the mesh.
	settings.EnableAutoMtls = wrapperspb.Bool(false)
	server := xds.NewFakeDiscoveryServer(ends{folder}, xds.FakeOptions{
		ConfigString:           strings.Join(ofIstio, "\n---\n"),
		KubernetesObjectString: strings.Join(ofKubernetes, "\n---\n"),
		MeshConfig:             settings, DisableSecretAuthorization: true,
		ListenerBuilder: func() (net.Listener, error) { return net.Listen("tcp", address) },
	})
	generators := server.Discovery.Generators
	generators[v3.ExtensionConfigurationType] = asAgent{generators[v3.ExtensionConfigurationType], wasm.NewLocalFileCache(folder, wasm.Options{})}
	generators[v3.SecretType] = asAgent{generators[v3.SecretType], nil}
	fmt.Println("ready")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil
		}
		if err := change(server, line); err != nil {
			fmt.Println("wrong:", err)
		} else {
			fmt.Println("changed")
		}
	}
}

func change(server *xds.FakeDiscoveryServer, text string) error {
	parsed, _, err := crd.ParseInputs(text)
	if err != nil {
		return err
	}
	if len(parsed) != 1 {
		return fmt.Errorf("%d objects in one line", len(parsed))
	}
	return put(server.Store(), parsed[0])
}

func put(store model.ConfigStore, one config.Config) error {
	before := store.Get(one.GroupVersionKind, one.Name, one.Namespace)
	if before == nil {
		_, err := store.Create(one)
		return err
	}
	one.ResourceVersion, one.CreationTimestamp = before.ResourceVersion, before.CreationTimestamp
	_, err := store.Update(one)
	return err
}
