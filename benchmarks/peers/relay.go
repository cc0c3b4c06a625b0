// The relay that a Go server is made of: io.Copy from the child's stdout to the response, SIGKILL when the client has left.
//
//	relay CHILD    listens on a free port of loopback and prints it; GET /NAME runs `CHILD NAME`
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "ok\n")
	})
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		cmd := exec.CommandContext(r.Context(), os.Args[1], r.URL.Path[1:])
		stdout, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "video/mp4")
		_, copied := io.Copy(w, stdout)
		if err := cmd.Wait(); err != nil || copied != nil {
			panic(http.ErrAbortHandler)
		}
	})
	panic(http.Serve(listener, nil))
}
