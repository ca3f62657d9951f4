// Does Istio's agent take an image? Its own code for modules, as in a gateway's pod.
//
//	pull URL SHA256 FOLDER   pulls what a WasmPlugin of that `url` and `sha256` means, and prints the file of the module
package main

import (
	"fmt"
	"os"
	"time"

	"istio.io/istio/pkg/wasm"
)

func main() {
	modules := wasm.NewLocalFileCache(os.Args[3], wasm.Options{})
	file, err := modules.Get(os.Args[1], wasm.GetOptions{
		Checksum: os.Args[2], ResourceName: "istio-ingress.wicketgate", ResourceVersion: "1", RequestTimeout: 20 * time.Second,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(file)
}
