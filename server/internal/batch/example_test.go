package batch_test

import (
	"errors"
	"fmt"

	"github.com/scopegate/scopegate/server/internal/batch"
)

func ExampleBatch_Split() {
	refused := sealed(`{"scope_type":"package","name":"main","scopes":[`+
		`{"scope_type":"function","name":"run"},{"scope_type":"function","name":"main"}]}`, 1).Number(4, true)

	parts, err := refused.Split(pools[0], batch.Limits{RawBytes: 210})
	if err != nil {
		panic(err)
	}
	for i, sealed := range parts {
		part := sealed.Number(refused.Num+int32(i), refused.Final && i == len(parts)-1)
		scopes, err := scopesOf(part)
		if err != nil {
			panic(err)
		}
		fmt.Printf("%d, final %v, %d ended: %s\n", part.Num, part.Final, part.ScopeCount, scopes)
	}

	_, err = refused.Split(pools[0], batch.Limits{RawBytes: 160})
	if unsplittable, ok := errors.AsType[*batch.UnsplittableError](err); ok {
		fmt.Println(unsplittable)
	}
	// Output:
	// 4, final false, 0 ended: {"scope_type":"package","name":"main","scopes":[{"scope_type":"function","name":"run"}]}
	// 5, final true, 1 ended: {"scope_type":"package","name":"main","scopes":[{"scope_type":"function","name":"main"}]}
	// scope package "main" > function "run": can't be split to fit into 160 bytes of JSON
}

func ExampleLearnedLimit() {
	var learned batch.LearnedLimit
	policy := batch.Policy{FlushThresholdBytes: 2 << 20, Learned: &learned}

	for _, limits := range learned.Refused(sized(100_000, 1_200_000)) { // the intake's answer was 413
		fmt.Printf("split to %+v\n", limits)
	}
	fmt.Printf("batches to come: %+v\n", policy.Learned.Thresholds())
	// Output:
	// split to {CompressedBytes:50000 RawBytes:0}
	// split to {CompressedBytes:0 RawBytes:600000}
	// batches to come: {CompressedBytes:50000 RawBytes:0}
}
