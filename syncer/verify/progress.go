package verify

import "time"

// expect adds to what is to be read.
func (r *run) expect(messages []Message) {
	if r.Quick || r.Sample > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range messages {
		if messages[i].Trouble == nil {
			r.progress.TotalMessages++
			r.progress.TotalOctets += max(messages[i].Size, 0)
		}
	}
}

func (r *run) carried(octets int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Messages++
	r.progress.Octets += octets
	r.tell(false)
}

// tellEvery bounds how often progress is told.
const tellEvery = 100 * time.Millisecond

// tell is called with the lock held.
func (r *run) tell(always bool) {
	if now := time.Now(); r.Progress != nil && (always || now.Sub(r.told) > tellEvery) {
		r.told = now
		r.Progress(r.progress)
	}
}
